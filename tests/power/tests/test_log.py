# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log is read as QEMU writes it."""

from __future__ import annotations

import pathlib

import pytest

from tests.lab import LabError
from tests.power import log
from tests.power.tests.logs import discard, flush, save, write


def test_requests_of_each_kind(tmp_path: pathlib.Path) -> None:
    entries = [write(1024, b"a" * 1024), flush(), discard(4096, 512), write(0, b"b" * 512, durable=True), flush()]
    path = save(tmp_path / "log", entries)
    requests = log.read(path)
    assert [(r.kind, r.start, r.size, r.durable) for r in requests] == [
        ("write", 1024, 1024, False),
        ("flush", 0, 0, False),
        ("discard", 4096, 512, False),
        ("write", 0, 512, True),
        ("flush", 0, 0, False),
    ]
    content = path.read_bytes()
    assert [content[r.data : r.data + r.size] for r in requests if r.kind == "write"] == [b"a" * 1024, b"b" * 512]


def test_a_request_in_pieces_has_the_same_bytes() -> None:
    pieces = list(log.Request("write", 8192, 10240, 512).pieces(4096))
    assert [(p.start, p.size, p.data) for p in pieces] == [(8192, 4096, 512), (12288, 4096, 4608), (16384, 2048, 8704)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "ends in the middle"), (b"\0" * 512, "not a log"), (None, "ends in the middle")],
)
def test_what_is_no_log_is_refused(tmp_path: pathlib.Path, content: bytes | None, message: str) -> None:
    path = save(tmp_path / "log", [write(0, b"a" * 512), flush()])
    path.write_bytes(path.read_bytes()[:1536] if content is None else content)
    with pytest.raises(LabError, match=message):
        log.read(path)
