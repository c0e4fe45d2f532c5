# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace and remove files so that at any moment, even after a power cut, either the old or the new file is there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import NamedTuple

from .._machine.plan import DRAFT_END, TOOLS_DRAFT_END
from .checkpoint import flush_journal

#: Directories of this collection, which are removed when they are empty.
_MANAGED_DIRECTORY = "vfio-workstation"
_DROP_IN_DIRECTORIES = ("sysinit.target.d", "multi-user.target.d", "system.conf.d")
_SELINUX_ATTRIBUTE = "security.selinux"
#: Hashes and signatures of a file's content and metadata (ima(7), evm): the kernel makes new ones.
_OF_THE_CONTENT = ("security.ima", "security.evm")
#: What boot loaders read is below directories of this name, or on an EFI system partition, which has no journal.
_BOOT = "/boot/"
_SECOND_NAME = ".before."


class Snapshot(NamedTuple):
    """A file's content and metadata at one moment, or its absence (content is None)."""

    path: str
    content: bytes | None
    mode: int
    owner: tuple[int, int]  # user and group
    attributes: tuple[tuple[str, bytes], ...]  # extended attributes: POSIX ACLs, SELinux label, capabilities, user.*
    times: tuple[int, int]  # of access and of modification, in ns


def take_snapshot(path: str) -> Snapshot:
    """Return what is needed to restore a file to its current state."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Snapshot(path, None, 0o644, (0, 0), (), (0, 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        return Snapshot(
            path,
            file.read(),
            stat.S_IMODE(status.st_mode),
            (status.st_uid, status.st_gid),
            extended_attributes(path),
            (status.st_atime_ns, status.st_mtime_ns),
        )


def restore(snapshot: Snapshot) -> None:
    """Restore a file's content, mode, owner, extended attributes and times; remove it if there was none.

    An unchanged file is not touched: writing it needs disk space, and the lack of that may be why a step failed.
    """
    if snapshot.content is None:
        remove(snapshot.path)
        return
    current = take_snapshot(snapshot.path)
    if current._replace(times=snapshot.times) == snapshot and current.times[1] == snapshot.times[1]:
        return
    destination = resolve_links(snapshot.path)
    draft = draft_path(destination)
    make_directories(os.path.dirname(destination))
    try:
        _write_draft(draft, snapshot.content)
        copy_metadata(snapshot, draft)
        os.utime(draft, ns=snapshot.times)
        replace_durably(draft, destination)
    finally:
        remove_draft(draft)


def write(path: str, content: bytes, mode: int | None, previous: Snapshot) -> None:
    """Replace a file's content.

    Args:
        path: The file.
        content: Its new content.
        mode: Its new mode; None keeps the previous one.
        previous: The file before, whose owner and extended attributes are kept.
    """
    destination = resolve_links(path)
    draft = draft_path(destination)
    try:
        _write_draft(draft, content)
        copy_metadata(previous if mode is None else previous._replace(mode=mode), draft)
        replace_durably(draft, destination)
    finally:
        remove_draft(draft)


def overwrite(path: str, content: bytes) -> None:
    """Write over a file's content in place; on return, it is on the disk.

    Raises:
        OSError: The file is missing, or has another size: it would get new blocks, or lose some.
    """
    destination = resolve_links(path)
    descriptor = os.open(destination, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size != len(content):
            raise OSError(errno.EINVAL, f"its size is not {len(content)} bytes", path)
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if _BOOT in destination:
        # With data=journal, the content is in the journal too.
        flush_journal(os.path.dirname(destination))


def remove(path: str) -> None:
    """Remove a file, and the directories of this collection that are empty afterwards."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    directory = os.path.dirname(path)
    sync_directory(directory)
    if _BOOT in path:
        flush_journal(directory)
    while _is_managed(directory) or _is_managed(os.path.dirname(directory)):
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                return
            raise
        directory = os.path.dirname(directory)
        sync_directory(directory)


def move(path: str, destination: str) -> None:
    """Rename a file within its file system, and replace what is at the destination."""
    os.rename(path, destination)
    sync_directory(os.path.dirname(destination))
    if os.path.dirname(path) != os.path.dirname(destination):
        sync_directory(os.path.dirname(path))


def _is_managed(directory: str) -> bool:
    # dracut requires a number before the name of a module's directory. To systemd, an empty directory of drop-ins is
    # as good as none.
    name = os.path.basename(directory)
    return name.lstrip("0123456789") == _MANAGED_DIRECTORY or name in _DROP_IN_DIRECTORIES


def resolve_links(path: str) -> str:
    """Return the path of the file itself, so that a symbolic link to it stays one (Fedora's /etc/grub2.cfg)."""
    return os.path.realpath(path)


def draft_path(destination: str) -> str:
    """Return where to write the draft of a file: beside it, under a name that no tool reads as a drop-in."""
    directory, name = os.path.split(destination)
    return os.path.join(directory, f".{name}{DRAFT_END}")


def remove_draft(draft: str) -> None:
    """Remove a draft, and the temporary file that grub-mkconfig writes beside it."""
    for path in (draft, draft + TOOLS_DRAFT_END):
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue


def copy_metadata(source: Snapshot, draft: str) -> None:
    """Give a draft the mode, owner, ACL, SELinux label and other extended attributes of a file.

    A draft of a new file keeps what it inherited from its directory, such as a default ACL.
    """
    os.chmod(draft, source.mode)
    if source.content is None:
        return
    status = os.stat(draft)
    if (status.st_uid, status.st_gid) != source.owner:
        os.chown(draft, *source.owner)
    required, current = dict(source.attributes), dict(extended_attributes(draft))
    for name in current.keys() - required.keys() - {_SELINUX_ATTRIBUTE}:  # a label can be changed, not removed
        os.removexattr(draft, name)
    for name, value in required.items():
        if current.get(name) != value:
            os.setxattr(draft, name, value)


def extended_attributes(path: str) -> tuple[tuple[str, bytes], ...]:
    """Return a file's extended attributes that a file with other content may have too; none where there is no support.

    POSIX ACLs are among them, as system.posix_acl_access (acl(5)).
    """
    try:
        names = [name for name in os.listxattr(path) if name not in _OF_THE_CONTENT]
        return tuple((name, os.getxattr(path, name)) for name in sorted(names))
    except OSError:
        return ()


def replace_durably(draft: str, destination: str) -> None:
    """Replace a file by its draft; on return, the new file and its name are on the disk."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    directory = os.path.dirname(destination)
    if _BOOT not in destination:
        os.replace(draft, destination)
        sync_directory(directory)
        return
    # A boot loader may read the file from the disk without replaying the journal. So one flush may change nothing but
    # a directory entry: the draft's inode and data are flushed before the rename, and a second name keeps those of the
    # old file until the rename is flushed.
    old_file = second_name(destination)
    flush_journal(directory)
    _link(destination, old_file)
    try:
        os.replace(draft, destination)
        sync_directory(directory)
        flush_journal(directory)
    finally:
        _unlink(old_file)


def second_name(destination: str) -> str:
    """Return the name that keeps the old version of a file while its replacement is flushed."""
    directory, name = os.path.split(destination)
    return os.path.join(directory, f"{_SECOND_NAME}{name}{DRAFT_END}")


def destination_of(second: str) -> str | None:
    """Return the file that a second name is of; None if it is none."""
    directory, name = os.path.split(second)
    is_one = name.startswith(_SECOND_NAME) and name.endswith(DRAFT_END)
    return os.path.join(directory, name[len(_SECOND_NAME) : -len(DRAFT_END)]) if is_one else None


def _link(path: str, link: str) -> None:
    """Give a file a second name; do nothing if there is no file, or no support for hard links (FAT)."""
    _unlink(link)
    with contextlib.suppress(OSError):
        os.link(path, link, follow_symlinks=False)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_directory(directory: str) -> None:
    """Flush a directory's entries to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: str) -> list[str]:
    """Create a directory and its missing parents; return those that were created, the topmost first."""
    if os.path.isdir(directory):
        return []
    created = make_directories(os.path.dirname(directory))
    os.mkdir(directory, 0o755)
    sync_directory(os.path.dirname(directory))
    return [*created, directory]


def remove_directory(directory: str) -> None:
    """Remove a directory unless it is in use: not empty, or a mount point."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY):
            raise


def read_attribute(path: str) -> str:
    """Return the value of a kernel attribute, without the newline."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().rstrip("\n")


def write_attribute(path: str, value: str) -> None:
    """Write a value to a kernel attribute, in one write(2) as sysfs requires."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("utf-8", "surrogateescape"))
    finally:
        os.close(descriptor)


def _write_draft(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
