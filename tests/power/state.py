# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a recording at one moment, and what is found on it: by the boot loader, and by Linux."""

from __future__ import annotations

import contextlib
import typing

from tests.lab import files

from .disk import Disk
from .log import Request
from .record import Recording
from .spans import Span
from .starts import Facts, Unbootable


class State:
    """A copy of the disk that carries out the requests of a recording."""

    def __init__(self, recording: Recording) -> None:
        self.image = recording.folder / "disk.raw"
        self.image.unlink(missing_ok=True)
        files.copy_sparsely(recording.base, self.image)
        self.disk = Disk(self.image, recording.write_log)
        self._chain = recording.layout.chain(recording.programs, self.image)
        self._linux = recording.layout.linux(self.disk)
        self._start: Facts | Unbootable | None = None

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.disk.close()
        self.image.unlink()

    def apply(self, request: Request) -> None:
        """Carry out a request."""
        self.disk.apply(request)
        changed = [(request.start, request.end)]
        if self._chain.files.forget(changed):
            self._start = None
        self._update_linux(changed)

    @contextlib.contextmanager
    def losing(self, lost: typing.Sequence[Request], kept: typing.Sequence[Request]) -> typing.Iterator[None]:
        """Hold for a while what a power cut leaves that loses some of the unflushed requests.

        Args:
            lost: The requests, or pieces of them, that do not reach the medium.
            kept: All others since the last flush.
        """
        start = self._start
        unflushed = [(request.start, request.end) for request in self.disk.unflushed]
        with self._chain.files.changed((request.start, request.end) for request in lost) as is_read:
            with self.disk.with_only(kept):
                self._update_linux(unflushed)
                self._start = None if is_read else start
                yield
            self._update_linux(unflushed)
        self._start = start

    def start(self) -> Facts:
        """Return what the machine would start.

        Raises:
            Unbootable: It would start nothing.
        """
        if self._start is None:
            try:
                self._start = self._chain.facts()
            except Unbootable as error:
                self._start = error
        if isinstance(self._start, Unbootable):
            raise self._start
        return self._start

    def listing(self) -> Facts:
        """Return the files that Linux finds after it has replayed the journal; none on other file systems than ext4."""
        return {path: value for linux in self._linux for path, value in linux.listing().items()}

    def files(self, paths: typing.Sequence[str]) -> Facts:
        """Return these files as Linux finds them after it has replayed the journals.

        Raises:
            Damaged: A file system is not consistent then.
        """
        return {path: value for linux in self._linux for path, value in linux.facts(paths).items()}

    def _update_linux(self, changed: typing.Sequence[Span]) -> None:
        for linux in self._linux:
            linux.update(changed)
