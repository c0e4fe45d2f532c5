# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing and removing files so that at any moment, and after a power cut, there is the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import NamedTuple

from .._machine.plan import DRAFT_END, TOOLS_DRAFT_END
from .checkpoint import settle

#: Folders that are ours, and go when they are empty.
_OUR_FOLDER = "vfio-workstation"
_DROP_IN_FOLDERS = ("sysinit.target.d",)
_LABEL = "security.selinux"
#: What boot loaders read is below folders of that name, or on an EFI system partition, which has no journal.
_BOOT = "/boot/"


class Kept(NamedTuple):
    """A file as it was, or that there was none (content is None)."""

    path: str
    content: bytes | None
    mode: int
    owner: tuple[int, int]
    label: bytes | None
    times: tuple[int, int]  # of access and of change, in ns


def keep(path: str) -> Kept:
    """Return what is needed to put a file back as it is."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Kept(path, None, 0o644, (0, 0), None, (0, 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        return Kept(
            path,
            file.read(),
            stat.S_IMODE(status.st_mode),
            (status.st_uid, status.st_gid),
            label(path),
            (status.st_atime_ns, status.st_mtime_ns),
        )


def restore(kept: Kept) -> None:
    """Put a file back byte for byte, with mode, owner, label and date; remove it where there was none.

    One that is as it was is not touched: that needs room, and what failed may have failed for the lack of it.
    """
    if kept.content is None:
        remove(kept.path)
        return
    now = keep(kept.path)
    if now._replace(times=kept.times) == kept and now.times[1] == kept.times[1]:
        return
    place = real(kept.path)
    draft = draft_path(place)
    make_folder(os.path.dirname(place))
    try:
        _write(draft, kept.content)
        dress(draft, kept)
        os.utime(draft, ns=kept.times)
        move(draft, place)
    finally:
        discard(draft)


def write(path: str, content: bytes, mode: int | None, before: Kept) -> None:
    """Replace a file's content; mode, owner and label stay, unless a mode is given."""
    place = real(path)
    draft = draft_path(place)
    try:
        _write(draft, content)
        dress(draft, before if mode is None else before._replace(mode=mode))
        move(draft, place)
    finally:
        discard(draft)


def remove(path: str) -> None:
    """Remove a file, and the folders of ours that are empty then."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    folder = os.path.dirname(path)
    sync_folder(folder)
    if _BOOT in path:
        settle(folder)
    while _is_ours(folder) or _is_ours(os.path.dirname(folder)):
        try:
            os.rmdir(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                return
            raise
        folder = os.path.dirname(folder)
        sync_folder(folder)


def _is_ours(folder: str) -> bool:
    # dracut wants a number before the name of a module's folder. An empty folder of drop-ins of systemd means nothing.
    name = os.path.basename(folder)
    return name.lstrip("0123456789") == _OUR_FOLDER or name in _DROP_IN_FOLDERS


def real(path: str) -> str:
    """Return where a path leads: a link to a file stays a link (grub.cfg of Fedora is reached through one)."""
    return os.path.realpath(path)


def draft_path(place: str) -> str:
    """Return where to write what will become a file: beside it, by a name that no tool reads drop-ins from."""
    folder, name = os.path.split(place)
    return os.path.join(folder, f".{name}{DRAFT_END}")


def discard(draft: str) -> None:
    """Remove a draft, and what grub-mkconfig calls its own draft of it."""
    for path in (draft, draft + TOOLS_DRAFT_END):
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue


def dress(draft: str, like: Kept) -> None:
    """Give a draft a file's mode, owner and label, as far as its file system has such."""
    os.chmod(draft, like.mode)
    status = os.stat(draft)
    if like.content is not None and (status.st_uid, status.st_gid) != like.owner:
        os.chown(draft, *like.owner)
    if like.label is not None and label(draft) != like.label:
        os.setxattr(draft, _LABEL, like.label)


def label(path: str) -> bytes | None:
    """Return a file's SELinux label, or None where there is none."""
    try:
        return os.getxattr(path, _LABEL)
    except OSError:
        return None


def move(draft: str, place: str) -> None:
    """Put a draft in a file's place once all of it is on the disk, and see to it that this is on the disk too."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.path.dirname(place)
    if _BOOT not in place:
        os.replace(draft, place)
        sync_folder(folder)
        return
    # A boot loader may read it as it is on the disk, past the journal. So nothing but the name may change at once: the
    # new file is in its place before, and the old one stays in its place, by another name, until the name is.
    before = os.path.join(folder, f".before.{os.path.basename(place)}{DRAFT_END}")
    settle(folder)
    _link(place, before)
    try:
        os.replace(draft, place)
        sync_folder(folder)
        settle(folder)
    finally:
        _unlink(before)


def _link(place: str, other: str) -> None:
    """Give a file another name; where there is no such thing (FAT), or no file, it has none."""
    _unlink(other)
    with contextlib.suppress(OSError):
        os.link(place, other, follow_symlinks=False)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_folder(folder: str) -> None:
    """Write a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: str) -> list[str]:
    """Make a folder, and those above it that are missing; those that were made, the uppermost first."""
    if os.path.isdir(folder):
        return []
    made = make_folder(os.path.dirname(folder))
    os.mkdir(folder, 0o755)
    sync_folder(os.path.dirname(folder))
    return [*made, folder]


def remove_folder(folder: str) -> None:
    """Remove a folder that is empty; one that is not has become somebody's."""
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY):
            raise


def read_attribute(path: str) -> str:
    """Return the value of an attribute of the kernel, without the line's end."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().rstrip("\n")


def write_attribute(path: str, value: str) -> None:
    """Write a value to an attribute of the kernel, in one call, as it wants it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("utf-8", "surrogateescape"))
    finally:
        os.close(descriptor)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
