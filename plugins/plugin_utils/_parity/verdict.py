# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on one kind of work, from the comparison with the guest and the one between two native sides."""

from __future__ import annotations

import typing as t

from .equivalence import DIFFERENCE, RATIO, Block, Comparison, Margin, compare, difference

EQUIVALENT = "equivalent"
NOT_EQUIVALENT = "not equivalent"
TOO_NOISY = "too noisy to say"
NOT_MEASURED = "not measured"

#: On a noisy host, an interval at this level must be outside of the margin for a guest to be different. Noise changes
#: from one minute to the next, and there are many kinds of work: at 5 %, one of them often differs without a reason.
_NOISY_LEVEL = 0.0005

#: The worst is the verdict on several kinds. That all are equivalent is claimed wrongly at most as often as for one of
#: them, so that the level needs no correction for their number (an intersection-union test).
_WORST_FIRST = (NOT_EQUIVALENT, TOO_NOISY, NOT_MEASURED, EQUIVALENT)


class Verdict(t.NamedTuple):
    """The verdict on a kind of work.

    Attributes:
        word: One of the constants of this file.
        reason: Why, in words.
        noise: The comparison of two native sides; None if there are too few blocks.
        guest: The comparison with the guest; None if there are too few blocks.
    """

    word: str
    reason: str
    noise: Comparison | None
    guest: Comparison | None


def judge(noise: t.Sequence[Block], blocks: t.Sequence[Block], margin: Margin) -> Verdict:
    """Return the verdict on a kind of work.

    Args:
        noise: Blocks in which both sides are native.
        blocks: Blocks in which one side is the guest.
        margin: What counts as equivalent.
    """
    between_native = compare(noise, margin)
    with_guest = compare(blocks, margin)
    if with_guest is None:
        return Verdict(NOT_MEASURED, "the guest has fewer than two blocks", between_native, None)
    word, reason = _decide(between_native, with_guest, margin)
    return Verdict(word, reason, between_native, with_guest)


def worst(words: t.Iterable[str]) -> str:
    """Return the verdict on several kinds."""
    return min(words, key=_WORST_FIRST.index, default=NOT_MEASURED)


def _decide(noise: Comparison | None, guest: Comparison, margin: Margin) -> tuple[str, str]:
    lower, upper = _symmetric(margin)
    if noise is None:
        return TOO_NOISY, "the noise of this host is unknown: no two blocks between two native sides"
    if not noise.is_within(lower, upper):
        # A great difference shows through noise, but no noise makes a guest equivalent.
        low, high = difference(noise, guest, _NOISY_LEVEL)
        if (high < lower or upper < low) and guest.is_beyond(*margin.bounds):
            return NOT_EQUIVALENT, f"{_direction(guest, margin)}, by far more than the noise of this host"
        return TOO_NOISY, "two native sides already differ by more than the margin, or may"
    if guest.is_within(*margin.bounds):
        return EQUIVALENT, "the interval is inside the margin"
    if guest.is_beyond(*margin.bounds):
        return NOT_EQUIVALENT, _direction(guest, margin)
    return TOO_NOISY, "the interval is partly inside the margin: more blocks would decide"


def _symmetric(margin: Margin) -> tuple[float, float]:
    """Return the bounds for the noise, which has two sides also where the guest may be better without limit."""
    lower, upper = margin.bounds
    return (-upper, upper) if margin.scale == DIFFERENCE else (lower, upper)


def _direction(guest: Comparison, margin: Margin) -> str:
    is_slower = (guest.estimate < 0) == (margin.scale == RATIO)
    # No guest is faster than its host: then both sides did not do the same work.
    return "the guest is slower" if is_slower else "the guest is faster, so the sides are not alike"
