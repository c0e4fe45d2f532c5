# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boxes in boxes: where each is in a drawing. Pure."""

from __future__ import annotations

import typing as t

#: Pixels: the space around and between boxes, the height of a label, the most that a row of boxes is wide.
GAP = 8
LABEL = 20
WIDTH = 880


class Box(t.NamedTuple):
    """A box with its label, and the boxes in it."""

    kind: str  # class of CSS
    label: str
    note: str = ""  # a second line, in small letters
    children: tuple[Box, ...] = ()
    size: tuple[int, int] = (0, 0)  # of a box without children


class Placed(t.NamedTuple):
    """A box with its place."""

    x: int
    y: int
    width: int
    height: int
    box: Box

    @property
    def is_leaf(self) -> bool:
        """Whether the label is in the middle rather than above other boxes."""
        return not self.box.children


def place(boxes: t.Sequence[Box], width: int = WIDTH) -> tuple[list[Placed], int, int]:
    """Return the places of boxes and of all in them, outer ones first; and the width and the height of the drawing.

    Boxes are in rows, from left to right, in the given order.
    """
    placed: list[Placed] = []
    size = _flow(boxes, 0, 0, width, placed)
    return placed, *size


def _flow(boxes: t.Sequence[Box], left: int, top: int, width: int, placed: list[Placed]) -> tuple[int, int]:
    x, y, row, widest = left, top, 0, 0
    for box in boxes:
        inner = _size(box, width)
        if x > left and x + inner[0] > left + width:
            x, y, row = left, y + row + GAP, 0
        placed.append(Placed(x, y, *inner, box))
        if box.children:
            _flow(box.children, x + GAP, y + GAP + LABEL, width - 2 * GAP, placed)
        x, row = x + inner[0] + GAP, max(row, inner[1])
        widest = max(widest, x - GAP - left)
    return widest, y + row - top


def _size(box: Box, width: int) -> tuple[int, int]:
    if not box.children:
        return box.size
    inner = _flow(box.children, 0, 0, width - 2 * GAP, [])
    return max(inner[0], len(box.label) * 8) + 2 * GAP, inner[1] + LABEL + 2 * GAP
