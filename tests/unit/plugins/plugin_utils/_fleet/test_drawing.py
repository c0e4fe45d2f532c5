# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boxes are in their parents, and cover none of their siblings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.drawing import LABEL, Box, Placed, place

SIZES = st.tuples(st.integers(1, 120), st.integers(1, 60))
LEAVES = SIZES.map(lambda size: Box("leaf", "1", size=size))
BOXES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=5).map(lambda boxes: Box("box", "", "", tuple(boxes)))
)


def is_inside(inner: Placed, outer: Placed) -> bool:
    return (
        inner.x >= outer.x
        and inner.y >= outer.y + LABEL
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def overlap(one: Placed, other: Placed) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart or one.y + one.height <= other.y or other.y + other.height <= one.y)


@given(st.lists(BOXES, max_size=6))
def test_boxes_are_in_their_parents_and_apart_from_each_other(boxes: list[Box]) -> None:
    placed, width, height = place(boxes, 400)
    waiting = iter(placed)

    def check(siblings: tuple[Box, ...], parent: Placed | None) -> None:
        taken: list[Placed] = []
        for box in siblings:
            item = next(waiting)
            assert item.box is box
            assert item.x + item.width <= width
            assert item.y + item.height <= height
            assert parent is None or is_inside(item, parent)
            assert not any(overlap(item, other) for other in taken)
            taken.append(item)
            check(box.children, item)

    check(tuple(boxes), None)
    assert next(waiting, None) is None


def test_nothing_is_an_empty_drawing() -> None:
    assert place([]) == ([], 0, 0)
