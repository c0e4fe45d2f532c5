# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Flush the journal of a file system, because GRUB reads the disk without replaying it.

fsync(2) returns when a change is in the journal. The kernel writes it to its final blocks later, one by one, up to half
a minute afterwards. After a power cut the kernel replays the journal; GRUB does not, neither on ext4 nor on XFS, and
may find a directory that names a file whose inode is not there yet (grub-core/fs/{ext2,xfs}.c).

ext4 flushes its journal on request from Linux 5.14 on: EXT4_IOC_CHECKPOINT, Documentation/filesystems/ext4/journal.rst.
Otherwise, the journal is flushed when a file system is frozen: FIFREEZE and FITHAW, ioctl_fs(9). The root file system
is never frozen, since that would block the process that has to thaw it.

btrfs has no journal, but fsync(2) writes to a log that only mounting replays. GRUB finds the file system as it was
before, complete, until the kernel commits the transaction, within half a minute. BTRFS_IOC_SYNC commits it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

# include/uapi/linux/ext4.h: _IOW('f', 43, __u32); include/uapi/linux/fs.h: _IOWR('X', 119, int), _IOWR('X', 120, int).
_CHECKPOINT, _FREEZE, _THAW = 0x4004662B, 0xC0045877, 0xC0045878
# include/uapi/linux/btrfs.h: _IO(0x94, 8), without an argument.
_BTRFS_SYNC = 0x9408
_NO_FLAGS = struct.pack("I", 0)


def flush_journal(directory: str) -> bool:
    """Flush the journal or log of a directory's file system; return whether that was possible.

    It is not possible without a journal (FAT, which writes files in place), without the privilege (containers), and on
    a root file system that is XFS.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _ioctl(descriptor, _CHECKPOINT) or _ioctl(descriptor, _BTRFS_SYNC):
            return True
        if os.fstat(descriptor).st_dev == os.stat("/").st_dev:
            return False
        return _freeze_and_thaw(descriptor)
    finally:
        os.close(descriptor)


def _freeze_and_thaw(descriptor: int) -> bool:
    is_frozen = False
    try:
        is_frozen = _ioctl(descriptor, _FREEZE)
        return is_frozen
    finally:
        if is_frozen:
            _ioctl(descriptor, _THAW)


def _ioctl(descriptor: int, request: int) -> bool:
    """Make an ioctl(2) request; return whether the kernel granted it."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, request, _NO_FLAGS)
        return True
    return False
