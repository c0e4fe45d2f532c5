# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many blocks a verdict needs, computed from the noise between two native sides, before the guest is measured.

The power of two one-sided tests is the probability that the interval is inside the margin. For a known standard
deviation of the effects it is an integral over the deviation that the sample will have (Phillips 1990; Diletti,
Hauschke and Steinijans 1991), which Simpson's rule evaluates.
"""

from __future__ import annotations

import math
import typing as t

from . import student
from .equivalence import LEVEL, Margin

#: Probability of the verdict for a guest that is exactly as fast.
POWER = 0.9
_STEPS = 400


class BlockPlan(t.NamedTuple):
    """How many blocks of a kind are measured.

    Attributes:
        needed: How many a verdict needs; None if more than any run could have.
        planned: How many the run has.
        power: Probability that `planned` blocks suffice for a guest that is exactly as fast.
        seconds: The time that they take.
    """

    needed: int | None
    planned: int
    power: float
    seconds: float


def power(deviation: float, blocks: int, margin: Margin, truth: float = 0.0) -> float:
    """Return the probability of the verdict "equivalent".

    Args:
        deviation: True standard deviation of the effects of blocks.
        blocks: How many blocks there are, at least 2.
        margin: What counts as equivalent.
        truth: The true effect.
    """
    lower, upper = margin.bounds
    if deviation == 0:
        return float(lower <= truth <= upper)
    error = deviation / math.sqrt(blocks)
    freedom = blocks - 1
    critical = student.quantile(1 - LEVEL, freedom)
    # Beyond `most`, the interval is wider than the margin, or the sample's deviation practically impossible.
    most = min((upper - lower) / (2 * critical * error), 1 + 12 / math.sqrt(2 * freedom))

    def density(share: float) -> float:
        reach = critical * share
        inside = _normal((upper - truth) / error - reach) - _normal((lower - truth) / error + reach)
        return _deviation_density(share, freedom) * max(inside, 0.0)

    return min(_integral(density, most), 1.0)


def blocks_needed(deviation: float, margin: Margin, least: int, most: int, requested: float = POWER) -> int | None:
    """Return the least number of blocks that has the requested power; None if `most` do not suffice."""
    if power(deviation, most, margin) < requested:
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(deviation, middle, margin) >= requested else (middle, high)
    return high


def _normal(value: float) -> float:
    return math.erfc(-value / math.sqrt(2)) / 2


def _deviation_density(share: float, freedom: int) -> float:
    """Return the density of a sample's standard deviation, as a share of the true one: chi, scaled."""
    if share <= 0:
        return math.sqrt(2 / math.pi) if freedom == 1 else 0.0
    half = freedom / 2
    logarithm = math.log(2) + half * math.log(half) - math.lgamma(half)
    return math.exp(logarithm + (freedom - 1) * math.log(share) - half * share * share)


def _integral(function: t.Callable[[float], float], most: float) -> float:
    """Return the integral from 0 to `most`, by Simpson's rule."""
    width = most / _STEPS
    inner = math.fsum(function(width * step) * (4 if step % 2 else 2) for step in range(1, _STEPS))
    return (function(0.0) + inner + function(most)) * width / 3
