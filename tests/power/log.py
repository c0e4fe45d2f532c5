# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a disk's writes and flushes, as QEMU's blklogwrites writes it: the format of the kernel's dm-log-writes.

Documentation/admin-guide/device-mapper/log-writes.rst. A request is logged when it completes, so every write before a
flush in the log had completed when the flush did.
"""

from __future__ import annotations

import pathlib
import struct
import typing

from tests.lab.errors import LabError

SECTOR = 512
MAGIC, VERSION = 0x6A736677736872, 1
SUPER = struct.Struct("<QQQL")  # magic, version, number of entries, size of a sector
ENTRY = struct.Struct("<QQQQ")  # first sector, number of sectors, flags, size of a mark's text
FLUSH, FUA, DISCARD = 1, 2, 4


class Request(typing.NamedTuple):
    """A write, discard or flush; offsets and sizes are in bytes."""

    kind: str  # "write", "discard" or "flush"
    start: int  # on the disk
    size: int
    data: int  # where the data of a write is in the log
    durable: bool = False  # whether it is on the medium once it has completed (FUA)

    @property
    def end(self) -> int:
        """The first byte on the disk after it."""
        return self.start + self.size

    def pieces(self, size: int) -> typing.Iterator[Request]:
        """Yield the parts of that size that a medium writes as a whole."""
        for offset in range(0, self.size, size):
            part = min(size, self.size - offset)
            yield self._replace(start=self.start + offset, size=part, data=self.data + offset)


def read(path: pathlib.Path) -> list[Request]:
    """Return the requests in a log, up to its last flush."""
    with path.open("rb") as file:
        magic, version, count, sector_size = SUPER.unpack(_exactly(file, SUPER.size))
        if (magic, version, sector_size) != (MAGIC, VERSION, SECTOR):
            raise LabError(f"{path} is not a log of writes in sectors of {SECTOR} bytes")
        position = SECTOR
        requests = []
        for _number in range(count):
            file.seek(position)
            sector, sectors, flags, _marked = ENTRY.unpack(_exactly(file, ENTRY.size))
            request = _request(sector, sectors, flags, position + SECTOR)
            requests.append(request)
            position = request.data + (request.size if request.kind == "write" else 0)
    return requests


def _request(sector: int, sectors: int, flags: int, data: int) -> Request:
    kind = "flush" if flags & FLUSH and not sectors else "discard" if flags & DISCARD else "write"
    return Request(kind, sector * SECTOR, sectors * SECTOR, data, bool(flags & FUA))


def _exactly(file: typing.BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise LabError(f"{file.name} ends in the middle of an entry")
    return data
