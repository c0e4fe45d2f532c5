# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as a boot loader sees them on a disk: GRUB by its own code (grub-fstest), the firmware's FAT by mtools."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import typing

from . import traced
from .spans import Span
from .traced import Run


class View(typing.Protocol):
    """A program that reads files from one partition of an image."""

    def content(self, image: pathlib.Path, path: str) -> Run:
        """Print the content of a file; a status other than zero says that it can't be read."""

    def names(self, image: pathlib.Path, directory: str) -> Run:
        """Print the names in a directory, separated by white space."""


class GrubView(View, typing.Protocol):
    """A view that has GRUB's parser too."""

    def check_script(self, path: pathlib.Path) -> Run:
        """Parse a configuration file."""


class Grub:
    """GRUB's own drivers of partition tables and file systems, which replay no journal.

    Args:
        programs: A folder with grub-fstest and its libraries, below the paths that they have on the machine.
        partition: The number of the partition.
    """

    def __init__(self, programs: pathlib.Path, partition: int) -> None:
        library = programs / "lib/x86_64-linux-gnu"
        loader = programs / "lib64/ld-linux-x86-64.so.2"
        self._start: list[str | pathlib.Path] = [loader, "--library-path", library]
        self._programs = programs
        self._device = f"(loop0,gpt{partition})"

    def content(self, image: pathlib.Path, path: str) -> Run:
        """Print the content of a file."""
        return traced.run(self._fstest(image, "cat", path), image)

    def names(self, image: pathlib.Path, directory: str) -> Run:
        """Print the names in a directory; those of directories end in a slash."""
        return traced.run(self._fstest(image, "ls", directory + "/"), image)

    def check_script(self, path: pathlib.Path) -> Run:
        """Run GRUB's parser on a configuration file."""
        return traced.run([*self._start, self._programs / "usr/bin/grub-script-check", path], path)

    def _fstest(self, image: pathlib.Path, command: str, path: str) -> list[str | pathlib.Path]:
        return [*self._start, self._programs / "usr/bin/grub-fstest", image, command, self._device + path]


class Fat:
    """A FAT as mtools read it: the partition that begins at a byte of the image."""

    def __init__(self, start: int) -> None:
        self._start = start
        # Without this, mtools reject sizes that are no multiple of a track's.
        self._environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}

    def content(self, image: pathlib.Path, path: str) -> Run:
        """Print the content of a file."""
        return traced.run(["mcopy", "-i", f"{image}@@{self._start}", f"::{path}", "-"], image, self._environment)

    def names(self, image: pathlib.Path, directory: str) -> Run:
        """Print the paths in a directory."""
        argv = ["mdir", "-b", "-i", f"{image}@@{self._start}", f"::{directory}/"]
        return traced.run(argv, image, self._environment)


class Files:
    """The files of an image through a view; each is read again only when bytes changed that reading it had read."""

    def __init__(self, view: View, image: pathlib.Path) -> None:
        self._view = view
        self._image = image
        self._runs: dict[tuple[str, str], Run] = {}
        self._hashes: dict[str, tuple[Run, str]] = {}

    def content(self, path: str) -> bytes | None:
        """Return the content of a file; None if it can't be read."""
        done = self._run("content", path)
        return done.output if done.status == 0 else None

    def digest(self, path: str) -> str | None:
        """Return a hash of a file's content; None if it can't be read."""
        done = self._run("content", path)
        if done.status != 0:
            return None
        known, value = self._hashes.get(path, (None, ""))
        if known is not done:
            value = hashlib.sha256(done.output).hexdigest()[:16]
            self._hashes[path] = done, value
        return value

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none if it can't be read."""
        done = self._run("names", directory)
        names = done.output.decode(errors="replace").split() if done.status == 0 else []
        return [name.rstrip("/").rpartition("/")[2] for name in names]

    def reason(self, path: str) -> str:
        """Return why a file can't be read."""
        return self._run("content", path).error

    def forget(self, spans: typing.Iterable[Span]) -> bool:
        """Take into account that these bytes of the image have changed; return whether anything was read from them."""
        changed = tuple(spans)
        runs = {key: done for key, done in self._runs.items() if not done.reads.meet(changed)}
        is_less = len(runs) < len(self._runs)
        self._runs = runs
        return is_less

    @contextlib.contextmanager
    def changed(self, spans: typing.Iterable[Span]) -> typing.Iterator[bool]:
        """Take into account that these bytes differ for a while; yield whether anything was read from them."""
        kept, hashes = self._runs, dict(self._hashes)
        try:
            yield self.forget(spans)
        finally:
            self._runs, self._hashes = kept, hashes

    def _run(self, what: str, path: str) -> Run:
        key = (what, path)
        if key not in self._runs:
            read = self._view.content if what == "content" else self._view.names
            self._runs = {**self._runs, key: read(self._image, path)}
        return self._runs[key]
