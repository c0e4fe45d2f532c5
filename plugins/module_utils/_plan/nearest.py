# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that a misspelt name was probably meant to be."""

from __future__ import annotations

from typing import Iterable

#: Edits that are still a slip: a missing, additional or wrong letter, or two that are swapped. Fewer for short names,
#: where two edits lead to another word.
_MOST_EDITS = 2


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to a name; None where none is near enough to be meant."""
    limit = min(_MOST_EDITS, len(name) // 4)
    near = [(distance, other) for other in known for distance in [_distance(name, other, limit)] if distance <= limit]
    return min(near)[1] if near else None


def _distance(name: str, other: str, limit: int) -> int:
    """Return the edit distance of two names, with swaps of neighbours as one edit; more than the limit is limit + 1.

    Optimal string alignment, row by row.
    """
    if abs(len(name) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, 1):
        two_before, before, row = before, row, [i]
        for j, other_letter in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other_letter))
            if i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == other_letter:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
