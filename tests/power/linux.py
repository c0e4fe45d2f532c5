# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Linux finds on an ext4 after a power cut: the file system after its journal was replayed."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import re
import subprocess
import tempfile
import typing

from tests.lab import files
from tests.lab.errors import LabError

from . import traced
from .disk import Disk
from .spans import Span
from .starts import Facts

#: What others write there; drafts, and second names of files while these are replaced.
_OTHERS = re.compile(r"vfio-workstation~|/grubenv$|\.dpkg-|^/etc/(mtab|resolv\.conf|ld\.so\.cache|adjtime)")

#: What e2fsck(8) returns when nothing is wrong, or all was corrected, such as files that were open and had no name.
_CORRECTED = (0, 1)


class Damaged(Exception):
    """The file system is not consistent after its journal was replayed."""


class Linux:
    """A copy of an ext4 partition, on which the journal is replayed, and which then becomes the same as the disk again.

    Args:
        disk: The whole disk.
        start: The first byte of the partition.
        size: The size of the partition.
        folders: Where the files are that a change replaces.
    """

    def __init__(self, disk: Disk, start: int, size: int, folders: typing.Sequence[str]) -> None:
        self._disk = disk
        self._start = start
        self._folders = folders
        self._image = disk.image.with_name(f"partition-{start}.raw")
        self._image.unlink(missing_ok=True)
        files.copy_sparsely(disk.image, self._image, start=start, size=size)

    def listing(self) -> Facts:
        """Return the hash of each file in the folders by its path."""
        with self._replayed(), tempfile.TemporaryDirectory(dir=self._image.parent) as scratch:
            for folder in self._folders:
                parent = pathlib.Path(scratch + folder).parent
                parent.mkdir(parents=True, exist_ok=True)
                self._debugfs([f"rdump {folder} {parent}"])
            found = [path for path in sorted(pathlib.Path(scratch).rglob("*")) if path.is_file()]
            hashes = {f"/{path.relative_to(scratch)}": _hash(path) for path in found if not path.is_symlink()}
        return {path: value for path, value in hashes.items() if not _OTHERS.search(path)}

    def facts(self, paths: typing.Sequence[str]) -> Facts:
        """Return the hashes of files; those that do not exist are left out.

        Raises:
            Damaged: The file system is not consistent.
        """
        with self._replayed(), tempfile.TemporaryDirectory(dir=self._image.parent) as scratch:
            copies = {path: pathlib.Path(scratch, str(number)) for number, path in enumerate(paths)}
            self._debugfs([f"dump {path} {copy}" for path, copy in copies.items()])
            return {path: _hash(copy) for path, copy in copies.items() if copy.exists()}

    @contextlib.contextmanager
    def _replayed(self) -> typing.Iterator[None]:
        # -p replays the journal, as mounting does, and a full check would correct what is left: there must be nothing.
        done = traced.run(["e2fsck", "-p", self._image], self._image)
        try:
            if done.status not in _CORRECTED:
                raise Damaged(f"e2fsck -p ends with status {done.status}: {done.output.decode(errors='replace')}")
            check = subprocess.run(["e2fsck", "-f", "-n", self._image], capture_output=True, text=True, check=False)
            if check.returncode != 0:
                raise Damaged(f"e2fsck -fn ends with status {check.returncode}: {check.stdout[-400:]}")
            yield
        finally:
            self.update((start + self._start, end + self._start) for start, end in done.writes)

    def update(self, spans: typing.Iterable[Span]) -> None:
        """Make these bytes the same as on the disk, as far as they are in the partition: they have changed."""
        size = self._image.stat().st_size
        with self._image.open("r+b") as file:
            for start, end in spans:
                first, after = max(start, self._start), min(end, self._start + size)
                if first < after:
                    file.seek(first - self._start)
                    file.write(self._disk.read(first, after - first))

    def _debugfs(self, commands: typing.Sequence[str]) -> None:
        done = subprocess.run(
            ["debugfs", "-f", "-", self._image],
            input="\n".join(commands),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"debugfs failed: {done.stderr.strip()}")


def _hash(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
