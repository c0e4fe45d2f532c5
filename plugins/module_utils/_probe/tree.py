# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading files below a root: the live machine's, or a captured tree's.

Everything the probe sees, it sees through a Tree. It never raises for what it finds on disk, never blocks, never reads
more than a bound, and never leaves the root: a symbolic link in a captured tree is followed as the captured machine
would have followed it (as chroot(2) would), not into the machine that reads.
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

# Python sets aside what is asked for: most files are smaller than a page, so ask for little at first.
_PAGE = 4096
_PROCESS = re.compile(r"^/proc/[0-9]+/")
_CONFIGURATION = re.compile(r"^/sys/devices/.*:[^/]*/config$")
_MOST_LINKS = 40  # as the kernel's MAXSYMLINKS
_DENIED = (errno.EACCES, errno.EPERM)
# O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOFOLLOW: links are followed by us, within the root.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
_FOLDER_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


class Tree:
    """Files of one machine, by their absolute path on that machine.

    Args:
        root: Folder that holds the machine's `/sys`, `/proc`, `/etc` and `/boot`; `/` is the machine we run on.
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
        """Note, while inside, that what cannot be read is missing from this value, such as `boot.secure_boot`."""
        outer, self._value = self._value, value
        try:
            yield
        finally:
            self._value = outer

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that we had no right to read, by path."""
        return tuple(Unreadable(path, error, tuple(values)) for path, (error, values) in sorted(self._denied.items()))

    def deny(self, path: str, error: int | None) -> None:
        """Note that rights to a file are lacking, for whoever reads it by other means than this class.

        Files of processes are noted once for all of them: their numbers say nothing, and there may be thousands. So
        are configuration spaces, which are denied for all functions or for none.
        """
        path = _CONFIGURATION.sub("/sys/bus/pci/devices/[address]/config", _PROCESS.sub("/proc/[pid]/", path))
        _error, values = self._denied.setdefault(path, (os.strerror(error or errno.EACCES), []))
        if self._value and self._value not in values:
            values.append(self._value)

    def data(self, path: str, limit: int = ATTRIBUTE_LIMIT, head: bool = False) -> bytes | None:
        """Return a regular file's content, or None where there is none to be had.

        Args:
            path: Absolute path on the machine.
            limit: Bytes at most. A longer file is None, since half of it could mislead,
            head: unless only its beginning is wanted.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            # An attribute of sysfs comes whole in one read; files of procfs come in pieces of any size.
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
        """Return up to `length` bytes from `offset` on, fewer only at the file's end, or None.

        Args:
            path: Absolute path on the machine.
            offset: Bytes to pass over.
            length: Bytes wanted.
            special: Whether the live machine's file may be a device, as those of the MSRs are.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return None
        try:
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISREG(mode) or (special and self.live and stat.S_ISCHR(mode))):
                return None
            return os.pread(descriptor, min(length, FILE_LIMIT), offset)
        except (OSError, OverflowError, ValueError):  # an offset that no file can have
            return None
        finally:
            os.close(descriptor)

    def text(self, path: str, limit: int = ATTRIBUTE_LIMIT, head: bool = False) -> str | None:
        """Return a file's text without the white space around it, or None; bytes that are not UTF-8 are replaced."""
        content = self.data(path, limit, head)
        return None if content is None else content.decode("utf-8", "replace").strip()

    def exact(self, path: str, limit: int = ATTRIBUTE_LIMIT) -> str | None:
        """Return a file's text that can be written back to the byte, or None; bytes that are not UTF-8 included."""
        content = self.data(path, limit)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; none where there is no such directory.

        One that is not UTF-8 is shown with replacement characters: it is none of the kernel's, and nothing reads it.
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
        """Yield those of a directory's subdirectories that are there, each open until the next one is asked for.

        Args:
            path: Absolute path on the machine.
            names: Which ones, whose files are about to be read.
        """
        for name in names:
            folder = self._folder(f"{path}/{name}")
            if folder is not None:
                try:
                    yield name, folder
                finally:
                    folder.close()

    def link(self, path: str) -> str | None:
        """Return the last component of what a symbolic link points to, whether or not that exists; else None.

        That is how sysfs names a relation: `driver -> ../../bus/pci/drivers/vfio-pci`. A link may end in a slash.
        """
        parent, _slash, name = path.rpartition("/")
        real = self._directory(parent)
        try:
            target = "" if real is None else os.readlink(f"{self._prefix}{real}/{name}")
        except (OSError, ValueError):
            return None
        return _last(target)

    def targets(self, path: str) -> dict[str, str] | None:
        """Return where each symbolic link in a directory points, as written, by its name; None if we may not look."""
        real = self.resolve(path)
        if real is None:
            return {}
        folder = self._prefix + real
        found = {}
        try:
            for name in os.listdir(folder):
                try:
                    found[_printable(name)] = _printable(os.readlink(f"{folder}/{name}"))
                except OSError:
                    continue  # no link, or gone since
        except OSError as error:
            return None if error.errno in _DENIED else {}
        return found

    def exists(self, path: str) -> bool:
        """Tell whether a path leads to anything."""
        return self.resolve(path) is not None

    def resolve(self, path: str) -> str | None:
        """Return the canonical path, all links followed within the root, of what exists; else None."""
        return self._walk(path)

    def status(self, path: str) -> os.stat_result | None:
        """Return what stat(2) says of what a path leads to, or None where that is nothing."""
        real = self.resolve(path)
        try:
            return None if real is None else os.stat((self._prefix + real) or "/", follow_symlinks=False)
        except OSError:
            return None

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
        """Return the canonical path of a directory, remembered: a machine's are asked for again and again."""
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
            here = f"{real}/{name}"
            target = None if here in self._canonical else self._link_target(path, here)
            if target is None:
                real = here
                continue
            links += 1
            if not target or links > _MOST_LINKS:
                return None
            real, names = self._ahead("" if target.startswith("/") else real, target)
            pending.extend(names)
        return real

    def _ahead(self, real: str, path: str) -> tuple[str, list[str]]:
        """Return how far a path leads over places that are known to be no links, and the names left, the last first."""
        while path.startswith("../"):
            real, path = real.rpartition("/")[0], path[3:]
        parent, _slash, name = f"{real}/{path.lstrip('/')}".rpartition("/")
        return (parent, [name]) if parent in self._canonical else (real, path.split("/")[::-1])

    def _link_target(self, path: str, here: str) -> str | None:
        """Return where the link at a canonical place points; None where something else is; "" where nothing is."""
        try:
            return os.readlink(self._prefix + here)
        except ValueError:  # a NUL in the path
            return ""
        except OSError as error:
            if error.errno == errno.EINVAL:
                self._canonical.add(here)
                return None
            if error.errno in _DENIED:
                self.deny(path, error.errno)
            return ""


class Folder:
    """One directory, held open: its path is not walked again for each of its files.

    Attributes:
        path: Canonical path on the machine.
    """

    __slots__ = ("_descriptor", "_tree", "path")

    def __init__(self, tree: Tree, path: str, descriptor: int) -> None:
        self._tree = tree
        self._descriptor = descriptor
        self.path = path

    def close(self) -> None:
        """Be done with it."""
        os.close(self._descriptor)

    def has(self, name: str) -> bool:
        """Tell whether there is something of that name, or may be: where we have no right to look."""
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
        except OSError:  # a link, or no rights: Tree knows what to do
            return self._tree.text(f"{self.path}/{name}")
        try:
            content = os.read(descriptor, _PAGE + 1)
            if not 0 < len(content) <= _PAGE:
                # sysfs has nothing but regular files; in a captured tree a FIFO would seem empty.
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
        """Return the text of an attribute in a folder of this one, such as `power` and `runtime_status`."""
        try:
            os.readlink(folder, dir_fd=self._descriptor)
        except OSError:  # no link, or not there
            return self.text(f"{folder}/{name}")
        # The kernel would follow it out of the root.
        return self._tree.text(f"{self.path}/{folder}/{name}")

    @contextmanager
    def sections(self, name: str) -> Iterator[Callable[[int, int], bytes]]:
        """Hold one of its files open, for what reads at `(offset, length)`: shorter at the end, empty where none is."""
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
                if not content:  # the kernel shows the rest to root only
                    self._tree.deny(f"{self.path}/{name}", errno.EACCES)
                return content

            yield read
        finally:
            os.close(descriptor)

    def link(self, name: str) -> str | None:
        """Return the last component of what a symbolic link in the folder points to, as Tree.link does."""
        try:
            return _last(os.readlink(name, dir_fd=self._descriptor))
        except OSError:
            return None


def _last(target: str) -> str | None:
    return _printable(target.rstrip("/").rpartition("/")[2]) or None


def _printable(name: str) -> str:
    """Return a file's name without what only stands for bytes that are not UTF-8: no JSON could hold it."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def _read_up_to(descriptor: int, limit: int, content: bytes) -> bytes:
    """Return what has been read, and what follows up to a limit."""
    parts = [content]
    length = len(content)
    while content and length < limit:
        content = os.read(descriptor, min(limit - length, max(length, _PAGE)))
        parts.append(content)
        length += len(content)
    return b"".join(parts)
