# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a state of the disk may hold at a moment of a change."""

from __future__ import annotations

import bisect
import typing

from .starts import Facts


class Expectation(typing.NamedTuple):
    """The facts before and after a step; between two steps, both are the same."""

    step: str
    before: Facts
    after: Facts

    def problem(self, facts: Facts, names: typing.Iterable[str]) -> str | None:
        """Return how a state's facts differ from what they may be; None if they do not."""
        for name in names:
            value, allowed = facts.get(name), (self.before.get(name), self.after.get(name))
            if value not in allowed:
                return f"{name} is {value}, and may be {' or '.join(map(str, dict.fromkeys(allowed)))}"
        return None

    @property
    def names(self) -> list[str]:
        """The names of all facts."""
        return sorted({*self.before, *self.after})


class Mark(typing.NamedTuple):
    """The beginning or the end of a step."""

    position: int  # of its request in the log
    is_end: bool
    step: str


class Timeline:
    """What may be found at each position of the log, from the facts at the marks."""

    def __init__(self, marks: typing.Sequence[Mark], facts: typing.Sequence[Facts]) -> None:
        self._positions: list[int] = []
        self._expectations: list[Expectation] = []
        for number, (mark, found) in enumerate(zip(marks, facts, strict=True)):
            after = found if mark.is_end else facts[number + 1]
            step = f"after {mark.step}" if mark.is_end else f"during {mark.step}"
            self._positions.append(mark.position)
            self._expectations.append(Expectation(step, found, after))

    @property
    def begin(self) -> int:
        """The position of the first mark."""
        return self._positions[0]

    def at(self, position: int) -> Expectation:
        """Return what may be found after the request at a position."""
        return self._expectations[bisect.bisect_right(self._positions, position) - 1]
