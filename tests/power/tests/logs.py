# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs as QEMU writes them, from requests."""

from __future__ import annotations

import pathlib
import typing

from tests.power.log import DISCARD, ENTRY, FLUSH, FUA, MAGIC, SECTOR, SUPER, VERSION


class Entry(typing.NamedTuple):
    """A request to a disk; a write has data, a discard a size."""

    start: int = 0
    data: bytes = b""
    size: int = 0
    flags: int = 0


def flush() -> Entry:
    return Entry(flags=FLUSH)


def write(start: int, data: bytes, durable: bool = False) -> Entry:
    return Entry(start, data, len(data), FUA if durable else 0)


def discard(start: int, size: int) -> Entry:
    return Entry(start, b"", size, DISCARD)


def save(path: pathlib.Path, entries: typing.Sequence[Entry]) -> pathlib.Path:
    """Write a log with these entries."""
    parts = [SUPER.pack(MAGIC, VERSION, len(entries), SECTOR).ljust(SECTOR, b"\0")]
    for entry in entries:
        header = ENTRY.pack(entry.start // SECTOR, entry.size // SECTOR, entry.flags, 0)
        parts += [header.ljust(SECTOR, b"\0"), entry.data]
    path.write_bytes(b"".join(parts))
    return path
