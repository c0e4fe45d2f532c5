# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files below a root: those of the live machine, or of a captured tree.

The probe reads every file through a Tree. A Tree never raises an exception for the content of a disk, never blocks,
limits the size of every read, and never leaves the root: a symbolic link in a captured tree is resolved as on the
captured machine (as after chroot(2)), not on the machine that reads it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager
from typing import Callable, Iterable, Iterator

from .._machine import Unreadable

#: A sysfs attribute never exceeds a page (Documentation/filesystems/sysfs.rst); 64 kB pages exist.
ATTRIBUTE_LIMIT = 65536
#: For configuration files, lists of modules, and tables.
FILE_LIMIT = 8 << 20

# Python allocates the size of each read, and most files are smaller than a page: the first read is small.
_PAGE = 4096
_PROCESS = re.compile(r"^/proc/[0-9]+/")
_CONFIGURATION = re.compile(r"^/sys/devices/.*:[^/]*/config$")
_MOST_LINKS = 40  # as the kernel's MAXSYMLINKS
_DENIED = (errno.EACCES, errno.EPERM)
# O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOFOLLOW: Tree resolves links itself, within the root.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
_FOLDER_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


class Tree:
    """Files of one machine, by their absolute path on that machine.

    Args:
        root: Folder that holds the machine's `/sys`, `/proc`, `/etc` and `/boot`; `/` is the running machine.
    """

    def __init__(self, root: str = "/") -> None:
        self._prefix = os.path.realpath(root).rstrip("/")
        #: Whether this is the running machine, with processes, devices and a kernel log.
        self.live = not self._prefix
        self._directories: dict[str, str | None] = {}
        self._canonical: set[str] = set()
        self._denied: dict[str, tuple[str, list[str]]] = {}
        self._value = ""

    @contextmanager
    def reading(self, value: str) -> Iterator[None]:
        """Record files that cannot be read in this context as missing from a value, such as `boot.secure_boot`."""
        outer, self._value = self._value, value
        try:
            yield
        finally:
            self._value = outer

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that exist and could not be read for lack of permission, by path."""
        return tuple(Unreadable(path, error, tuple(values)) for path, (error, values) in sorted(self._denied.items()))

    def deny(self, path: str, error: int | None) -> None:
        """Record that permission to read a file is missing; for callers too that read it without this class.

        Files of processes are recorded once for all processes: their numbers carry no information, and there may be
        thousands. So are configuration spaces, which are denied for all functions or for none.
        """
        path = _CONFIGURATION.sub("/sys/bus/pci/devices/[address]/config", _PROCESS.sub("/proc/[pid]/", path))
        _error, values = self._denied.setdefault(path, (os.strerror(error or errno.EACCES), []))
        if self._value and self._value not in values:
            values.append(self._value)

    def data(self, path: str, limit: int = ATTRIBUTE_LIMIT, head: bool = False) -> bytes | None:
        """Return a regular file's content, or None if it does not exist or cannot be read.

        Args:
            path: Absolute path on the machine.
            limit: Maximum size in bytes. A longer file is None, since a part of it could be misleading.
            head: Whether to return the first `limit` bytes of a longer file instead.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            # One read returns a whole sysfs attribute, but only a part of a procfs file.
            once = limit <= ATTRIBUTE_LIMIT and path.startswith("/sys/")
            most = limit if head else limit + 1
            content = os.read(descriptor, min(most, _PAGE + 1))
            if not once or len(content) > _PAGE:
                content = _read_up_to(descriptor, most, content)
        except OSError as error:
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return None
        finally:
            os.close(descriptor)
        return content if len(content) <= limit else None

    def section(self, path: str, offset: int, length: int, special: bool = False) -> bytes | None:
        """Return `length` bytes from `offset` on, fewer only at the file's end, or None.

        Args:
            path: Absolute path on the machine.
            offset: Position of the first byte.
            length: Number of bytes.
            special: Whether the file may be a character device on the live machine, as for MSRs.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return None
        try:
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISREG(mode) or (special and self.live and stat.S_ISCHR(mode))):
                return None
            return os.pread(descriptor, min(length, FILE_LIMIT), offset)
        except (OSError, OverflowError, ValueError):  # an offset beyond the limits of a file
            return None
        finally:
            os.close(descriptor)

    def text(self, path: str, limit: int = ATTRIBUTE_LIMIT, head: bool = False) -> str | None:
        """Return a file's text without surrounding white space, or None; bytes that are not UTF-8 are replaced."""
        content = self.data(path, limit, head)
        return None if content is None else content.decode("utf-8", "replace").strip()

    def exact(self, path: str, limit: int = ATTRIBUTE_LIMIT) -> str | None:
        """Return a file's text so that it can be written back unchanged, or None; other bytes become surrogates."""
        content = self.data(path, limit)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; an empty tuple if there is no such directory.

        Names that are not UTF-8 get replacement characters: the kernel has none, and no file of such a name is read.
        """
        real = self._directory(path)
        if real is None:
            return ()
        try:
            return tuple(sorted(map(_printable, os.listdir((self._prefix + real) or "/"))))
        except OSError as error:
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return ()

    def folders(self, path: str, names: Iterable[str]) -> Iterator[tuple[str, Folder]]:
        """Yield the existing subdirectories among names; each stays open until the next is requested.

        Args:
            path: Absolute path of the directory on the machine.
            names: Names of subdirectories.
        """
        for name in names:
            folder = self._folder(f"{path}/{name}")
            if folder is not None:
                try:
                    yield name, folder
                finally:
                    folder.close()

    def link(self, path: str) -> str | None:
        """Return the last component of a symbolic link's target, which need not exist, or None if there is no link.

        sysfs names relations so: `driver -> ../../bus/pci/drivers/vfio-pci`. A target may end in a slash.
        """
        parent, _slash, name = path.rpartition("/")
        real = self._directory(parent)
        try:
            target = "" if real is None else os.readlink(f"{self._prefix}{real}/{name}")
        except (OSError, ValueError):
            return None
        return _last(target)

    def targets(self, path: str) -> dict[str, str] | None:
        """Return the targets of a directory's symbolic links, as written, by name; None if permission is denied."""
        real = self.resolve(path)
        if real is None:
            return {}
        folder = self._prefix + real
        targets = {}
        try:
            for name in os.listdir(folder):
                try:
                    targets[_printable(name)] = _printable(os.readlink(f"{folder}/{name}"))
                except OSError:
                    continue  # not a link, or removed meanwhile
        except OSError as error:
            return None if error.errno in _DENIED else {}
        return targets

    def exists(self, path: str) -> bool:
        """Return whether a path exists."""
        return self.resolve(path) is not None

    def resolve(self, path: str) -> str | None:
        """Return the canonical path, with all links resolved within the root, or None if it does not exist."""
        return self._walk(path)

    def status(self, path: str) -> os.stat_result | None:
        """Return stat(2) of a path, with links resolved within the root, or None if it does not exist."""
        real = self.resolve(path)
        try:
            return None if real is None else os.stat((self._prefix + real) or "/", follow_symlinks=False)
        except OSError:
            return None

    def free_bytes(self, path: str) -> int | None:
        """Return the bytes that a user may still write to the file system of a path, which need not exist."""
        directory = path.rpartition("/")[0]
        while directory and self.resolve(directory) is None:
            directory = directory.rpartition("/")[0]
        try:
            status = os.statvfs((self._prefix + (self.resolve(directory) or "")) or "/")
        except OSError:
            return None
        return status.f_bavail * status.f_frsize

    def _open(self, path: str) -> int | None:
        parent, _slash, name = path.rpartition("/")
        real = self._directory(parent)
        if real is None:
            return None
        try:
            return os.open(f"{self._prefix}{real}/{name}", _FLAGS)
        except ValueError:  # a NUL in the path
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return self._open_link(path)
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return None

    def _folder(self, path: str) -> Folder | None:
        real = self._directory(path)
        if real is None:
            return None
        try:
            return Folder(self, real, os.open((self._prefix + real) or "/", _FOLDER_FLAGS))
        except OSError as error:
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return None

    def _open_link(self, path: str) -> int | None:
        target = self.resolve(path)
        if target is None:
            return None
        try:
            return os.open(self._prefix + target, _FLAGS)
        except OSError as error:
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return None

    def _directory(self, path: str) -> str | None:
        """Return the canonical path of a directory, cached: the same directories are needed again and again."""
        try:
            return self._directories[path]
        except KeyError:
            real = self._directories[path] = self._walk(path)
            return real

    def _walk(self, path: str) -> str | None:
        real, pending = self._ahead("", path)
        links = 0
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                real = real.rpartition("/")[0]
                continue
            candidate = f"{real}/{name}"
            target = None if candidate in self._canonical else self._link_target(path, candidate)
            if target is None:
                real = candidate
                continue
            links += 1
            if not target or links > _MOST_LINKS:
                return None
            real, names = self._ahead("" if target.startswith("/") else real, target)
            pending.extend(names)
        return real

    def _ahead(self, real: str, path: str) -> tuple[str, list[str]]:
        """Return the part of a path that is known to have no links, and the remaining names in reverse order."""
        while path.startswith("../"):
            real, path = real.rpartition("/")[0], path[3:]
        parent, _slash, name = f"{real}/{path.lstrip('/')}".rpartition("/")
        return (parent, [name]) if parent in self._canonical else (real, path.split("/")[::-1])

    def _link_target(self, path: str, candidate: str) -> str | None:
        """Return the target of the link at a canonical path; None if it is not a link, "" if it does not exist."""
        try:
            return os.readlink(self._prefix + candidate)
        except ValueError:  # a NUL in the path
            return ""
        except OSError as error:
            if error.errno == errno.EINVAL:
                self._canonical.add(candidate)
                return None
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return ""


class Folder:
    """A directory that is held open, so that its path is not resolved again for each of its files.

    Attributes:
        path: Canonical path on the machine.
    """

    __slots__ = ("_descriptor", "_tree", "path")

    def __init__(self, tree: Tree, path: str, descriptor: int) -> None:
        self._tree = tree
        self._descriptor = descriptor
        self.path = path

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)

    def has(self, name: str) -> bool:
        """Return whether a name exists, or may exist because permission to look is denied."""
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def text(self, name: str) -> str | None:
        """Return an attribute's text, as Tree.text does."""
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except OSError:  # a link, or no permission: Tree handles both
            return self._tree.text(f"{self.path}/{name}")
        try:
            content = os.read(descriptor, _PAGE + 1)
            if not 0 < len(content) <= _PAGE:
                # sysfs has regular files only; in a captured tree, a FIFO would look like an empty file.
                if not content and not self._tree.live and not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                content = _read_up_to(descriptor, ATTRIBUTE_LIMIT + 1, content)
                if len(content) > ATTRIBUTE_LIMIT:
                    return None
        except OSError as error:
            if error.errno in _DENIED:
                self._tree.deny(f"{self.path}/{name}", error.errno)
            return None
        finally:
            os.close(descriptor)
        return content.decode("utf-8", "replace").strip()

    def text_below(self, folder: str, name: str) -> str | None:
        """Return the text of an attribute in a subfolder, such as `runtime_status` in `power`."""
        try:
            os.readlink(folder, dir_fd=self._descriptor)
        except OSError:  # not a link, or missing
            return self.text(f"{folder}/{name}")
        # The kernel would resolve the link outside the root.
        return self._tree.text(f"{self.path}/{folder}/{name}")

    @contextmanager
    def sections(self, name: str) -> Iterator[Callable[[int, int], bytes]]:
        """Open a file and yield a function `read(offset, length)`, which returns fewer bytes at the end, or none."""
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno in _DENIED:
                self._tree.deny(f"{self.path}/{name}", error.errno)
            yield lambda _offset, _length: b""
            return
        try:
            status = os.fstat(descriptor)
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0

            def read(offset: int, length: int) -> bytes:
                if offset >= size:
                    return b""
                try:
                    content = os.pread(descriptor, length, offset)
                except OSError:
                    return b""
                if not content:  # the kernel shows these bytes to root only
                    self._tree.deny(f"{self.path}/{name}", errno.EACCES)
                return content

            yield read
        finally:
            os.close(descriptor)

    def link(self, name: str) -> str | None:
        """Return the last component of the target of a symbolic link in the folder, as Tree.link does."""
        try:
            return _last(os.readlink(name, dir_fd=self._descriptor))
        except OSError:
            return None


def _last(target: str) -> str | None:
    return _printable(target.rstrip("/").rpartition("/")[2]) or None


def _printable(name: str) -> str:
    """Return a file's name with replacement characters for surrogates, which JSON in UTF-8 cannot represent."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def _read_up_to(descriptor: int, limit: int, content: bytes) -> bytes:
    """Return the bytes that have been read, and those that follow up to a limit."""
    parts = [content]
    length = len(content)
    while content and length < limit:
        content = os.read(descriptor, min(limit - length, max(length, _PAGE)))
        parts.append(content)
        length += len(content)
    return b"".join(parts)
