# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Having a file system's own places hold what its journal holds, for boot loaders read the former and not the latter.

fsync(2) is done when the journal has a change. The kernel carries it from there to where it belongs at its leisure,
block by block, half a minute later. After a power cut it replays the journal; GRUB does not, neither of ext4 nor of
XFS, and may find a folder that names a file whose inode is not there yet (grub-core/fs/{ext2,xfs}.c).

ext4 carries everything over when asked to, from Linux 5.14 on: EXT4_IOC_CHECKPOINT, Documentation/filesystems/ext4/
journal.rst. Else it is done before a file system is frozen: FIFREEZE and FITHAW, ioctl_fs(9), which is asked of a file
system for booting alone, since a frozen root file system would stop whoever is to thaw it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

# include/uapi/linux/ext4.h: _IOW('f', 43, __u32); include/uapi/linux/fs.h: _IOWR('X', 119, int), _IOWR('X', 120, int).
_CHECKPOINT, _FREEZE, _THAW = 0x4004662B, 0xC0045877, 0xC0045878
_NOTHING = struct.pack("I", 0)


def settle(folder: str) -> bool:
    """Carry over what the journal of a folder's file system holds; return whether that was possible.

    It is not where there is no journal (FAT, which is written to its places at once), where we lack the rights
    (containers), and of an XFS that is the root file system.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _ask(descriptor, _CHECKPOINT):
            return True
        if os.fstat(descriptor).st_dev == os.stat("/").st_dev:
            return False
        return _freeze_and_thaw(descriptor)
    finally:
        os.close(descriptor)


def _freeze_and_thaw(descriptor: int) -> bool:
    is_frozen = False
    try:
        is_frozen = _ask(descriptor, _FREEZE)
        return is_frozen
    finally:
        if is_frozen:
            _ask(descriptor, _THAW)


def _ask(descriptor: int, request: int) -> bool:
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, request, _NOTHING)
        return True
    return False
