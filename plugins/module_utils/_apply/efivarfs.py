# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EFI variables, as files of efivarfs: four bytes of attributes before the value, in one write(2).

The kernel makes most of them immutable (Documentation/filesystems/efivarfs.rst): that is removed before a change.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

#: Non-volatile, for boot services and at runtime (UEFI specification, "GetVariable()").
_ATTRIBUTES = struct.pack("<I", 0x7)
_IMMUTABLE = 0x10  # FS_IMMUTABLE_FL of linux/fs.h
_LONG = struct.calcsize("l")
_GET_FLAGS = 2 << 30 | _LONG << 16 | ord("f") << 8 | 1  # FS_IOC_GETFLAGS
_SET_FLAGS = 1 << 30 | _LONG << 16 | ord("f") << 8 | 2  # FS_IOC_SETFLAGS


def encoded(value: str) -> bytes:
    """Return the content of a variable of text: UTF-16, with a terminating zero (Boot Loader Interface)."""
    return _ATTRIBUTES + (value + "\0").encode("utf-16-le", "replace")


def read(path: str) -> bytes | None:
    """Return a variable's content with its attributes; None if it is not set."""
    try:
        with open(path, "rb") as file:
            return file.read() or None
    except FileNotFoundError:
        return None


def write(path: str, content: bytes | None) -> None:
    """Set a variable; remove it if the content is None.

    Args:
        path: In efivarfs.
        content: With the attributes.
    """
    _make_mutable(path)
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, content)
        if os.fstat(descriptor).st_size > len(content):  # a directory that stands for efivarfs
            os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def _make_mutable(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        (flags,) = struct.unpack("i", fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("i", 0)))
        if flags & _IMMUTABLE:
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("i", flags & ~_IMMUTABLE))
    except OSError:
        return  # no such flags here; where there are, the write says that it is not permitted
    finally:
        os.close(descriptor)
