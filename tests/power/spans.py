# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of bytes of a disk: what a program read, what a request wrote."""

from __future__ import annotations

import bisect
import typing

Span = tuple[int, int]  # the first byte, and the first byte after it


class Spans:
    """An immutable set of bytes, as sorted spans that do not touch each other."""

    def __init__(self, spans: typing.Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for start, end in sorted(spans):
            if start >= end:
                continue
            if self._spans and start <= self._spans[-1][1]:
                self._spans[-1] = self._spans[-1][0], max(end, self._spans[-1][1])
            else:
                self._spans.append((start, end))

    def __iter__(self) -> typing.Iterator[Span]:
        return iter(self._spans)

    def meet(self, others: typing.Iterable[Span]) -> bool:
        """Return whether a byte of other spans is in the set."""
        return any(self._meets(start, end) for start, end in others)

    def _meets(self, start: int, end: int) -> bool:
        # The last span that begins before the end is the only one that can reach past the start.
        position = bisect.bisect_left(self._spans, (end, end))
        return position > 0 and self._spans[position - 1][1] > start and start < end
