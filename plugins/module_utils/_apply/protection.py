# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse to replace a file that can't be replaced as a whole: one with other names, or an immutable one.

A file is replaced by rename, so that a power cut leaves the old or the new one. That separates a hard link from its
other names, and the kernel does not allow it for a file that is immutable or append-only (chattr(1)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, Iterator, Sequence

from .._machine.plan import Refusal, RunTool, Step, WriteAttribute, is_draft
from .._plan.refusals import refuse
from .files import second_name

if TYPE_CHECKING:
    from .._probe.tree import Tree

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS is _IOR('f', 1, long), and fills an int.
_GETFLAGS = (2 << 30) | (struct.calcsize("l") << 16) | (ord("f") << 8) | 1
_FLAGS = ((0x10, "immutable", "i"), (0x20, "append-only", "a"))


def protection_refusals(tree: Tree, steps: Sequence[Step]) -> tuple[Refusal, ...]:
    """Return one refusal for each protection that a file or its directory has; none for a captured tree."""
    if not tree.live:
        return ()
    paths = dict.fromkeys(step.path for step in steps if not isinstance(step, (RunTool, WriteAttribute)))
    refusals = (refusal for path in paths if not is_draft(os.path.basename(path)) for refusal in _protections(path))
    return tuple(dict.fromkeys(refusals))


def _protections(path: str) -> Iterator[Refusal]:
    destination = os.path.realpath(path)
    for protected in (destination, os.path.dirname(destination)):
        for flag, name, letter in _FLAGS:
            if _flags(protected) & flag:
                yield refuse(
                    "file_protected",
                    f"{protected} is {name} (chattr +{letter}), and {path} has to be replaced.",
                    remedy=f"Find out who set that and why; `chattr -{letter} {protected}` allows the change.",
                )
    names = _other_names(destination)
    if names:
        yield refuse(
            "file_protected",
            f"{path} has {names} more name{'s' if names > 1 else ''}: `find / -xdev -samefile {destination}` lists the "
            "hard links.",
            danger="The new content would be under this name alone, and the others would keep the old one.",
            remedy="Replace the file by a copy of its own, or the other names by symbolic links.",
        )


def _other_names(path: str) -> int:
    """Return how many other names a file has; the one that a killed run left beside it is none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    if not os.path.isfile(path) or status.st_nlink < 2:
        return 0
    leftover = second_name(path)
    has_leftover = os.path.exists(leftover) and os.path.samefile(leftover, path)
    return status.st_nlink - 1 - has_leftover


def _flags(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        answer = fcntl.ioctl(descriptor, _GETFLAGS, struct.pack("l", 0))
        return int(struct.unpack("i", answer[:4])[0])
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            return 0  # the file system has no such flags
        raise
    finally:
        os.close(descriptor)
