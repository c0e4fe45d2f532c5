# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans act as the sets of bytes that they stand for."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.power.spans import Spans

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def members(spans: list[tuple[int, int]]) -> set[int]:
    return {byte for start, end in spans for byte in range(start, end)}


@given(SPANS)
def test_they_have_the_same_bytes_and_do_not_touch(spans: list[tuple[int, int]]) -> None:
    result = list(Spans(spans))
    assert members(result) == members(spans)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(result))


@given(SPANS, SPANS)
def test_they_meet_where_they_share_a_byte(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    assert Spans(spans).meet(others) == bool(members(spans) & members(others))
