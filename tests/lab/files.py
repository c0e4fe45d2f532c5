# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that outlive a crash: locks that the kernel drops, folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import socket
import typing

_COPIED_AT_ONCE = 1 << 24


def try_lock(path: pathlib.Path) -> int | None:
    """A descriptor that holds the lock, or None when somebody else does.

    The lock belongs to the open file: a child that inherits the descriptor keeps it for as long as it lives, and the
    kernel drops it with the last of them, whatever ended them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def locked(path: pathlib.Path) -> typing.Iterator[None]:
    """Hold the lock, waiting for it as long as it takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def appearing(target: pathlib.Path) -> typing.Iterator[pathlib.Path]:
    """A folder to fill, which becomes the target when the block ends well, and goes when it does not.

    Call it under the target's lock: what a killed run left is swept away by the next.
    """
    draft = target.with_name(f"{target.name}.draft")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write(path: pathlib.Path, text: str, mode: int = 0o644) -> None:
    """Write a file beside its target and rename it over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.rename(path)


def free_port() -> int:
    """A TCP port that nobody listens on at 127.0.0.1 just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def copy_sparsely(
    source: pathlib.Path, target: pathlib.Path, *, start: int = 0, size: int | None = None, at: int = 0
) -> None:
    """Copy a range of a file into a place of another, which has zeros there; holes are left out."""
    with source.open("rb") as old, target.open("r+b" if target.exists() else "w+b") as new:
        end = os.fstat(old.fileno()).st_size if size is None else start + size
        new.truncate(max(at + end - start, os.fstat(new.fileno()).st_size))
        for first, after in _data(old.fileno(), start, end):
            for position in range(first, after, _COPIED_AT_ONCE):
                data = os.pread(old.fileno(), min(_COPIED_AT_ONCE, after - position), position)
                os.pwrite(new.fileno(), data, at + position - start)


def _data(descriptor: int, start: int, end: int) -> typing.Iterator[tuple[int, int]]:
    """The ranges of a file that are no holes."""
    position = start
    while position < end:
        try:
            first = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            return  # there is no data up to the end of the file
        position = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
        if first < position:
            yield first, position
