# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shall be in the initramfs of every kernel, and what is in it."""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """A file inside of the initramfs."""

    path: str
    content: str
    mode: int


class InitramfsRequest(NamedTuple):
    """Files and modules that somebody wants in every initramfs."""

    files: tuple[File, ...] = ()
    modules: tuple[str, ...] = ()


class InitramfsRecord(NamedTuple):
    """Who wants what; kept in RECORD_FILE."""

    owners: dict[str, InitramfsRequest]


class Image(NamedTuple):
    """The initramfs of one kernel."""

    version: str  # of the kernel, as `uname -r` says
    path: str
    size: int  # bytes
    modules: dict[str, str]  # what each requested module, named with underscores, is to this kernel
    names: frozenset[str] | None  # of what is in it, as far as it matters here; None where it can't be listed


class PassedOver(NamedTuple):
    """A kernel whose initramfs can't be made, with the reason."""

    version: str
    reason: str


#: The requests as they are now, by their owners.
RECORD_FILE = "/etc/vfio-workstation/initramfs.json"
#: Holds the content of the requested files, where the hooks find it when a kernel is installed.
STORE = "/etc/vfio-workstation/initramfs"
#: Inside of an image: an empty file whose name tells the request that it was built from.
MARKERS = "usr/lib/vfio-workstation"
#: What the images were found to hold, so that an image that did not change is not unpacked again.
SEEN_FILE = "/var/lib/vfio-workstation/initramfs-seen.json"
