# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image of a guest's disk, which is created where it does not exist.

qemu-img makes it, rather than a volume of libvirt. The path that the user writes need not be in a storage pool, a new
libvirt has none, and vol-create writes to the final name: a power cut would leave half an image that the next run
takes for a disk with content. As a draft that is renamed, the image is complete or absent.

An image that exists is never changed: neither its size nor its format, whatever is requested.
"""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import GuestRequest, HostFiles
from ..._machine.plan import CONFIGURED, DRAFT, MakeImage, Refusal
from ..notation import size_text
from ..refusals import refuse
from .guest_spec import QCOW2, RAW

QEMU_IMG = "/usr/bin/qemu-img"
#: See install.py: where the confinement of libvirt expects images.
_DIRECTORY = "/var/lib/libvirt/images"


def disk_path(guest: str, image_format: str | None) -> str:
    """Return the path of a guest's image where none is requested."""
    return f"{_DIRECTORY}/{guest}.{'img' if image_format == RAW else QCOW2}"


def creates_disk(request: GuestRequest, files: HostFiles) -> bool:
    """Return whether the image is requested with a size, and does not exist."""
    disk = request.disk
    return disk is not None and disk.size_bytes is not None and disk.path not in files.paths


def make_disk(request: GuestRequest, files: HostFiles) -> tuple[MakeImage, ...]:
    """Return the step that creates the image; none where there is nothing to create."""
    disk = request.disk
    if disk is None or disk.size_bytes is None or not creates_disk(request, files):
        return ()
    argv = (QEMU_IMG, "create", "-q", "-f", disk.format or QCOW2, DRAFT, str(disk.size_bytes))
    return (MakeImage(disk.path, argv, CONFIGURED, f"create the disk of {request.name}"),)


def image_refusals(request: GuestRequest, files: HostFiles) -> Iterator[Refusal]:
    """Yield why the image can't be created.

    The whole size must be free: an image grows as the guest writes, and QEMU pauses a guest whose disk can't grow.
    """
    disk = request.disk
    if disk is None or disk.size_bytes is None or not creates_disk(request, files):
        return
    if QEMU_IMG not in files.paths:
        yield refuse("disk_tool_absent", f"{request.name}: {QEMU_IMG} does not exist on this host")
    if files.room_bytes is not None and files.room_bytes < disk.size_bytes:
        seen = (
            f"{request.name}: {disk.path} is to have {size_text(disk.size_bytes)}, "
            f"and its file system has {files.room_bytes >> 20} MiB free"
        )
        yield refuse("disk_exceeds_space", seen)
