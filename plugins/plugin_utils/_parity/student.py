# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Student's t distribution: the distribution function and its inverse.

The distribution function is a regularized incomplete beta function, for which the continued fraction of DLMF 8.17.22 is
evaluated by Lentz's method.
"""

from __future__ import annotations

import functools
import math

_MOST_TERMS = 10_000
_PRECISION = 1e-15
#: Stands for a denominator of zero in Lentz's method.
_TINY = 1e-300


def cdf(value: float, freedom: float) -> float:
    """Return the probability of a value that is not greater.

    Args:
        value: The value of t.
        freedom: Degrees of freedom, greater than 0.
    """
    square = value * value
    # Both shares are computed: near the middle, one minus the other would lose every digit.
    tail = _beta(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square)) / 2
    return tail if value < 0 else 1 - tail


@functools.lru_cache(maxsize=1024)
def quantile(probability: float, freedom: float) -> float:
    """Return the value that is not exceeded with a probability between 0 and 1, both excluded."""
    if probability < 0.5:
        return -quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while cdf(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularized incomplete beta function of x, with `rest` = 1 - x.

    Its continued fraction converges fast only below the mean.
    """
    if x == 0 or rest == 0:
        return x
    if x > (a + 1) / (a + b + 2):
        # The other tail: I(a, b, x) = 1 - I(b, a, 1 - x).
        return 1 - _beta(a=b, b=a, x=rest, rest=x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 0.0
    result = 1.0
    for term in range(1, _MOST_TERMS):
        coefficient = _coefficient(a, b, x, term)
        d = 1 / ((1 + coefficient * d) or _TINY)
        c = (1 + coefficient / c) or _TINY
        result *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return result


def _coefficient(a: float, b: float, x: float, term: int) -> float:
    m = term // 2
    if term % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
