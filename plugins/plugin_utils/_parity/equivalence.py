# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Equivalence of two sides: two one-sided t tests on the effects of blocks (TOST; Schuirmann 1987).

A block is four runs in the order A B B A. Its effect is the mean of the logarithms on the side B minus that on the side
A, so that a drift that is linear within the block cancels. The effects of blocks are the sample, not the runs: runs of
a block are not independent of each other, and a Welch test on them would be too sure of itself.

Both tests reject at a level exactly if the interval of confidence 1 - 2 * level is inside the margin. The interval
is what is reported.
"""

from __future__ import annotations

import math
import typing as t

from . import student

#: How two sides are compared: by the ratio of their speeds, or by the difference of their values.
RATIO = "ratio"
DIFFERENCE = "difference"

#: Of each one-sided test, so that the interval has a confidence of 90 %.
LEVEL = 0.05


class Margin(t.NamedTuple):
    """What counts as equivalent.

    Attributes:
        scale: RATIO or DIFFERENCE.
        lower: The least ratio, or difference; None for no limit.
        upper: The greatest.
    """

    scale: str
    lower: float | None
    upper: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The margin as effects."""
        lower = -math.inf if self.lower is None else self.to_effect(self.lower)
        return lower, self.to_effect(self.upper)

    def to_effect(self, value: float) -> float:
        """Return a ratio or difference as an effect."""
        return math.log(value) if self.scale == RATIO else value

    def from_effect(self, effect: float) -> float:
        """Return an effect as a ratio or difference."""
        return math.exp(effect) if self.scale == RATIO else effect


class Block(t.NamedTuple):
    """The values of one block, by side; greater is faster where the scale is RATIO."""

    native: tuple[float, ...]
    guest: tuple[float, ...]


class Comparison(t.NamedTuple):
    """What the blocks say. Estimate and interval are effects.

    Attributes:
        blocks: How many there are.
        estimate: The mean of the effects.
        low: Lower end of the interval of 90 % confidence.
        high: Upper end.
        deviation: Standard deviation of the effects.
        p_value: The greater p value of both tests: equivalent if it is not greater than LEVEL.
    """

    blocks: int
    estimate: float
    low: float
    high: float
    deviation: float
    p_value: float

    def is_within(self, lower: float, upper: float) -> bool:
        """Return whether the interval is inside of bounds."""
        return lower <= self.low and self.high <= upper

    def is_beyond(self, lower: float, upper: float) -> bool:
        """Return whether the interval has no value in common with bounds."""
        return self.high < lower or upper < self.low


def effect(block: Block, scale: str) -> float:
    """Return the effect of a block: guest minus native."""
    transform: t.Callable[[float], float] = math.log if scale == RATIO else float
    guest = [transform(value) for value in block.guest]
    native = [transform(value) for value in block.native]
    return math.fsum(guest) / len(guest) - math.fsum(native) / len(native)


def compare(blocks: t.Sequence[Block], margin: Margin) -> Comparison | None:
    """Return the comparison of both sides; None for fewer than two blocks, which have no deviation."""
    effects = [effect(block, margin.scale) for block in blocks]
    count = len(effects)
    if count < 2:
        return None
    estimate = math.fsum(effects) / count
    deviation = math.sqrt(math.fsum((value - estimate) ** 2 for value in effects) / (count - 1))
    error = deviation / math.sqrt(count)
    reach = student.quantile(1 - LEVEL, count - 1) * error
    lower, upper = margin.bounds
    p_value = max(_p_value(estimate - lower, error, count), _p_value(upper - estimate, error, count))
    return Comparison(count, estimate, estimate - reach, estimate + reach, deviation, p_value)


def difference(noise: Comparison, guest: Comparison, level: float) -> tuple[float, float]:
    """Return the interval of the guest's effect beyond that between two native sides: Welch's, for unequal noise.

    Args:
        noise: The comparison of two native sides.
        guest: The comparison with the guest.
        level: Probability that the truth is below the interval, and that it is above.
    """
    errors = [item.deviation**2 / item.blocks for item in (noise, guest)]
    estimate, variance = guest.estimate - noise.estimate, sum(errors)
    if variance == 0:
        return estimate, estimate
    parts = (error**2 / (item.blocks - 1) for error, item in zip(errors, (noise, guest)))
    reach = student.quantile(1 - level, variance**2 / sum(parts)) * math.sqrt(variance)
    return estimate - reach, estimate + reach


def _p_value(distance: float, error: float, count: int) -> float:
    """Return the probability of such a distance from a bound if the truth were on the bound."""
    if math.isinf(distance):
        return 0.0
    if error == 0:
        return 0.0 if distance >= 0 else 1.0
    return student.cdf(-distance / error, count - 1)
