# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requested content of initramfs images, and what images contain."""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """A file to write, in an initramfs image or on the machine."""

    path: str
    content: str
    mode: int


class InitramfsRequest(NamedTuple):
    """A request for files and kernel modules in every initramfs."""

    files: tuple[File, ...] = ()
    modules: tuple[str, ...] = ()
    #: How often foreign configuration that generators copy into images was set aside: each time, images are rebuilt.
    revision: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is requested."""
        return self == InitramfsRequest()


class InitramfsRecord(NamedTuple):
    """The request of each owner; stored in RECORD_FILE."""

    owners: dict[str, InitramfsRequest]


class Image(NamedTuple):
    """The initramfs of one kernel."""

    version: str  # of the kernel, as `uname -r` prints it
    path: str
    size: int  # bytes
    modules: dict[str, str]  # requested module, with underscores -> LOADABLE, BUILT_IN or MISSING for this kernel
    names: frozenset[str] | None  # paths in the image, as far as they are relevant; None where it can't be listed


class SkippedKernel(NamedTuple):
    """A kernel that is skipped because no initramfs can be built for it, with the reason."""

    version: str
    reason: str


#: Stores the InitramfsRecord.
RECORD_FILE = "/etc/vfio-workstation/initramfs.json"
#: Contains the requested files, for the generators' hooks, which also run when a kernel is installed.
STORE = "/etc/vfio-workstation/initramfs"
#: Folder in an image that has an empty file named after the digest of the request that the image was built from. It is
#: on no host: the udev rule for devices recognizes an initramfs by it.
MARKERS = "usr/lib/vfio-workstation"
#: Cache of what images contain, so that an unchanged image is not unpacked again.
LISTINGS_FILE = "/var/lib/vfio-workstation/initramfs-listings.json"
