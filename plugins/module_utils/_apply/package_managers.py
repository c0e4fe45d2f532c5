# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep package managers off the boot chain while this collection changes it, and wait for those that are at work.

Package managers regenerate menus and initramfs images on their own (unattended-upgrades, dnf-automatic), and a person
may run the tools at any time. dpkg and rpm have locks that can be taken, which holds them off; for the others, and for
a generator that somebody started by hand, all that can be done is to wait until they end.

Sources: apt's and dpkg's lib/dpkg/dbmodify.c (fcntl(2) write locks on lock-frontend and lock), rpm's lib/rpmlock.cc,
proc_locks(5).
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from typing import Iterator, NamedTuple

from .lock import Busy

#: Record locks, in the order in which their owners take them. A file that does not exist was never locked by anybody.
_RECORD_LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
)
#: Programs that change menus or images and hold none of these locks, by their names as ps shows them.
_PROGRAMS = frozenset(
    name[:15]  # TASK_COMM_LEN of the kernel, less the terminating zero
    for name in (
        *("update-initramfs", "mkinitramfs", "dracut", "mkinitcpio", "booster"),
        *("update-grub", "update-grub2", "grub-mkconfig", "grub2-mkconfig", "grubby", "kernel-install", "ukify"),
        *("pacman", "rpm-ostree"),
    )
)
_LIMIT = 900.0  # seconds; an upgrade with a new kernel takes minutes on a slow machine
_PAUSE = 0.5


class _Process(NamedTuple):
    pid: int
    name: str


@contextmanager
def package_managers_held(limit: float = _LIMIT, root: str = "/") -> Iterator[bool]:
    """Hold the locks of package managers, once none of them and no generator runs; the value is whether that took time.

    Args:
        limit: Seconds to wait.
        root: Directory of the host's files; `/` except in tests.

    Raises:
        Busy: A package manager or generator was still running after that time.
        OSError: A lock file can't be opened.
    """
    deadline = time.monotonic() + limit
    prefix = root.rstrip("/")
    waited = False
    with ExitStack() as stack:
        for path in _RECORD_LOCKS:
            if os.path.exists(prefix + path):
                descriptor = os.open(prefix + path, os.O_RDWR | os.O_CLOEXEC)
                stack.callback(os.close, descriptor)
                waited = _take_record_lock(descriptor, path, deadline, limit) or waited
        waited = _wait_for_programs(root, deadline, limit) or waited
        yield waited


def _wait_for_programs(root: str, deadline: float, limit: float) -> bool:
    """Wait until no package manager and no generator runs; return whether one did."""
    waited = False
    while True:
        program = next(_running_programs(root), None)
        if program is None:
            return waited
        if time.monotonic() > deadline:
            raise Busy(f"{program.name} (process {program.pid}) was still running after {limit:.0f} s")
        waited = True
        time.sleep(_PAUSE)


def _take_record_lock(descriptor: int, path: str, deadline: float, limit: float) -> bool:
    """Take a lock, unless an ancestor of ours holds it; return whether another process held it at first."""
    waited = False
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return waited
        except (BlockingIOError, PermissionError) as error:
            holder = _holder(descriptor)
            if holder is not None and holder.pid in _ancestors():
                return waited
            if time.monotonic() > deadline:
                name = f"{holder.name} (process {holder.pid})" if holder is not None else "another program"
                raise Busy(f"{name} still held {path} after {limit:.0f} s") from error
            waited = True
            time.sleep(_PAUSE)


def _holder(descriptor: int) -> _Process | None:
    """Return the process that holds a lock on an open file, by /proc/locks."""
    inode = os.fstat(descriptor).st_ino
    try:
        with open("/proc/locks", encoding="ascii") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    for fields in lines:
        # 1: POSIX  ADVISORY  WRITE 1234 fe:01:131 0 EOF; a waiter's line has an arrow behind the number
        if len(fields) > 5 and fields[1] == "POSIX" and fields[5].rpartition(":")[2] == str(inode):
            pid = int(fields[4])
            return _Process(pid, _comm(pid))
    return None


def _running_programs(root: str) -> Iterator[_Process]:
    """Yield the processes that may change the boot chain; those of other roots (containers) and our own are none."""
    own = _ancestors()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in own:
            continue
        process = _Process(int(name), _comm(int(name)))
        if process.name in _PROGRAMS and _has_root(process.pid, root):
            yield process


def _has_root(pid: int, root: str) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/root", root)
    except OSError:  # it has ended, or is in another user namespace
        return False


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return "another program"


def _ancestors() -> frozenset[int]:
    """Return the numbers of this process and of all above it."""
    pids = set()
    pid = os.getpid()
    while pid and pid not in pids:
        pids.add(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            break
    return frozenset(pids)
