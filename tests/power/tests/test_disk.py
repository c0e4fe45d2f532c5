# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk holds what its requests left, and for a while what is left when some are lost."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from tests.power import log
from tests.power.disk import Disk
from tests.power.log import SECTOR, Request
from tests.power.tests.logs import Entry, discard, flush, save, write

SECTORS = 8
SIZE = SECTORS * SECTOR
_PLACES = st.tuples(st.integers(0, SECTORS - 1), st.integers(1, 3)).filter(lambda place: sum(place) <= SECTORS)
ENTRIES = st.lists(
    st.one_of(
        st.builds(
            lambda place, byte: write(place[0] * SECTOR, bytes([byte]) * place[1] * SECTOR),
            _PLACES,
            st.integers(1, 255),
        ),
        st.builds(lambda place: discard(place[0] * SECTOR, place[1] * SECTOR), _PLACES),
        st.builds(flush),
    ),
    max_size=12,
)


def after(requests: list[Entry]) -> bytes:
    """What a disk of zeros holds after some requests."""
    content = bytearray(SIZE)
    for entry in requests:
        content[entry.start : entry.start + entry.size] = entry.data or bytes(entry.size)
    return bytes(content)


@given(ENTRIES, st.data())
def test_lost_requests_leave_what_was_there(entries: list[Entry], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        image = pathlib.Path(scratch, "image")
        image.write_bytes(bytes(SIZE))
        path = save(pathlib.Path(scratch, "log"), entries)
        with contextlib.closing(Disk(image, path)) as disk:
            requests = log.read(path)
            for request in requests:
                disk.apply(request)
            assert image.read_bytes() == after(entries)
            flushes = [number for number, entry in enumerate(entries) if entry == flush()]
            begin = flushes[-1] + 1 if flushes else 0
            assert disk.unflushed == tuple(requests[begin:])
            is_kept = [data.draw(st.booleans()) for _entry in entries[begin:]]
            kept = [request for request, keep in zip(requests[begin:], is_kept, strict=True) if keep]
            with disk.with_only([piece for request in kept for piece in request.pieces(SECTOR)]):
                chosen = [entry for entry, keep in zip(entries[begin:], is_kept, strict=True) if keep]
                assert image.read_bytes() == after([*entries[:begin], *chosen])
            assert image.read_bytes() == after(entries)


def test_a_flush_has_no_bytes() -> None:
    assert list(Request("flush", 0, 0, 512).pieces(4096)) == []
