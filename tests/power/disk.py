# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk as the log of its writes rebuilds it: one request after the other, or with some of them lost."""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing

from .log import Request


class Disk:
    """A raw image that holds what the disk held after a number of requests.

    Args:
        image: The image, which is written to.
        log: The log that has the data of the requests.
    """

    def __init__(self, image: pathlib.Path, log: pathlib.Path) -> None:
        self.image = image
        self._image = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._unflushed: list[Request] = []
        self._previous: list[tuple[int, bytes]] = []  # what these requests replaced

    def close(self) -> None:
        """Close the image and the log."""
        os.close(self._image)
        os.close(self._log)

    @property
    def unflushed(self) -> tuple[Request, ...]:
        """The requests since the last flush, in their order: a power cut loses any of them."""
        return tuple(self._unflushed)

    def apply(self, request: Request) -> None:
        """Carry out a request."""
        if request.kind == "flush":
            self._unflushed, self._previous = [], []
        else:
            self._previous.append((request.start, self.read(request.start, request.size)))
            self._unflushed.append(request)
            self._write(request)

    @contextlib.contextmanager
    def with_only(self, kept: typing.Sequence[Request]) -> typing.Iterator[None]:
        """Hold what it would hold if only these of the unflushed requests, or pieces of them, were on the medium."""
        for start, data in reversed(self._previous):
            os.pwrite(self._image, data, start)
        for request in kept:
            self._write(request)
        try:
            yield
        finally:
            for start, data in reversed(self._previous):
                os.pwrite(self._image, data, start)
            for request in self._unflushed:
                self._write(request)

    def read(self, start: int, size: int) -> bytes:
        """Return bytes of the disk."""
        return os.pread(self._image, size, start)

    def _write(self, request: Request) -> None:
        is_write = request.kind == "write"
        data = os.pread(self._log, request.size, request.data) if is_write else bytes(request.size)
        os.pwrite(self._image, data, request.start)
