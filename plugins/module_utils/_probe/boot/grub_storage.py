# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether GRUB can write to the files in a directory.

GRUB's `save_env` writes over the sectors that its driver of the file system reports while it reads the file
(check_blocklists() in grub-core/commands/loadenv.c). The drivers of btrfs and ZFS report none. LVM, software RAID and
other mappings can't be written (grub_diskfilter_write() in grub-core/disk/diskfilter.c). F2FS writes to a new place
each time, so that a sector of today is another file's tomorrow.

With data=journal, ext4 writes the data in its journal over what GRUB wrote since (Documentation/filesystems/ext4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..block import BlockDevices, Mount, read_mounts
from ..tree import FILE_LIMIT

if TYPE_CHECKING:
    from ..tree import Tree

_WRITABLE = ("ext2", "ext3", "ext4", "xfs", "vfat")
_MAPPED = ("dm", "md", "bcache")  # directories in sysfs of devices that are stacked on others


def why_not_writable(tree: Tree, directory: str) -> str | None:
    """Return why GRUB can't write to files in a directory; None if it can."""
    real = tree.resolve(directory)
    mount = _mount_of(tree, real) if real is not None else None
    if real is None or mount is None:
        return f"the file system of {directory} is unknown"
    if mount.kind not in _WRITABLE:
        return f"{directory} is on {mount.kind}, to which GRUB can't write"
    device = BlockDevices(tree).by_number(mount.number)
    if device is None:
        return f"the device of {directory}, {mount.number}, is unknown"
    disk = device.rpartition("/")[0]
    if any(tree.exists(f"{path}/{kind}") for path in (device, disk) for kind in _MAPPED):
        return (
            f"{directory} is on {device.rpartition('/')[2]}, a device of LVM, RAID or encryption: GRUB can't write it"
        )
    options = tree.text(f"/proc/fs/ext4/{device.rpartition('/')[2]}/options", FILE_LIMIT) or ""
    if "data=journal" in options.split():
        return f"{directory} is on a file system with data=journal, whose journal can undo what GRUB writes"
    return None


def _mount_of(tree: Tree, path: str) -> Mount | None:
    """Return the mount that a path is on. Of several at the same point, the last one hides the others."""
    above = [mount for mount in read_mounts(tree) if (path + "/").startswith(mount.point.rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)
