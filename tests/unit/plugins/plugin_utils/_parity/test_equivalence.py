# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two one-sided tests, compared with scipy's."""

from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.equivalence import (
    DIFFERENCE,
    LEVEL,
    RATIO,
    Block,
    Margin,
    compare,
    difference,
    effect,
)

MARGIN = Margin(RATIO, 0.99, 1.01)
LATENCY = Margin(DIFFERENCE, None, 20.0)
VALUES = st.floats(0.5, 2.0)
BLOCKS = st.lists(st.builds(Block, st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES)), min_size=2, max_size=12)


def block(native: float, guest: float) -> Block:
    return Block((native, native), (guest, guest))


@given(blocks=BLOCKS)
def test_interval_and_p_values_are_those_of_scipy(blocks: list[Block]) -> None:
    effects = [effect(item, RATIO) for item in blocks]
    comparison = compare(blocks, MARGIN)
    assert comparison is not None
    if numpy.std(effects) < 1e-9:
        return
    low, high = stats.ttest_1samp(effects, 0.0).confidence_interval(1 - 2 * LEVEL)
    assert (comparison.low, comparison.high) == pytest.approx((low, high), rel=1e-7, abs=1e-12)
    above = stats.ttest_1samp(effects, math.log(0.99), alternative="greater").pvalue
    below = stats.ttest_1samp(effects, math.log(1.01), alternative="less").pvalue
    assert comparison.p_value == pytest.approx(max(above, below), rel=1e-6, abs=1e-12)


@given(first=BLOCKS, second=BLOCKS)
def test_the_difference_of_two_comparisons_is_that_of_scipy(first: list[Block], second: list[Block]) -> None:
    noise, guest = compare(first, MARGIN), compare(second, MARGIN)
    assert noise is not None
    assert guest is not None
    if min(noise.deviation, guest.deviation) < 1e-6:
        return
    effects = [[effect(item, RATIO) for item in blocks] for blocks in (second, first)]
    expected = stats.ttest_ind(*effects, equal_var=False).confidence_interval(0.999)
    assert difference(noise, guest, 0.0005) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-10)


@given(blocks=BLOCKS)
def test_the_interval_is_inside_exactly_if_both_tests_reject(blocks: list[Block]) -> None:
    comparison = compare(blocks, MARGIN)
    assert comparison is not None
    if abs(comparison.p_value - LEVEL) > 1e-9:
        assert comparison.is_within(*MARGIN.bounds) == (comparison.p_value < LEVEL)


def test_the_effect_is_the_logarithm_of_the_ratio_and_a_linear_drift_cancels() -> None:
    assert effect(block(100.0, 97.0), RATIO) == pytest.approx(math.log(0.97))
    drifting = [100.0 * math.exp(-0.05 * turn) for turn in range(4)]
    assert effect(Block((drifting[0], drifting[3]), (drifting[1], drifting[2])), RATIO) == pytest.approx(0, abs=1e-12)


def test_a_difference_has_no_lower_limit() -> None:
    comparison = compare([block(50.0, 12.0), block(51.0, 12.0)], LATENCY)
    assert comparison is not None
    assert comparison.is_within(*LATENCY.bounds)
    assert comparison.p_value < LEVEL


def test_equal_blocks_have_an_interval_without_width() -> None:
    comparison = compare([block(10.0, 10.0), block(10.0, 10.0)], MARGIN)
    assert comparison is not None
    assert (comparison.low, comparison.high, comparison.p_value) == (0.0, 0.0, 0.0)
    outside = compare([block(10.0, 9.0), block(10.0, 9.0)], MARGIN)
    assert outside is not None
    assert outside.p_value == 1.0


def test_one_block_says_nothing() -> None:
    assert compare([block(1.0, 1.0)], MARGIN) is None
