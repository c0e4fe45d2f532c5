# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of blocks: power as simulated, and as scipy computes it."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.equivalence import (
    DIFFERENCE,
    LEVEL,
    RATIO,
    Block,
    Margin,
    compare,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.sample_size import blocks_needed, power

MARGIN = Margin(RATIO, 0.99, 1.01)


@pytest.mark.parametrize("blocks", [2, 5, 20])
@pytest.mark.parametrize("truth", [0.0, 15.0])
def test_with_one_limit_it_is_the_noncentral_t_distribution(blocks: int, truth: float) -> None:
    limit = Margin(DIFFERENCE, None, 20.0)
    distance = (20.0 - truth) / (12.0 / math.sqrt(blocks))
    expected = stats.nct.sf(stats.t.ppf(1 - LEVEL, blocks - 1), blocks - 1, distance)
    assert power(12.0, blocks, limit, truth) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(("deviation", "blocks"), [(0.004, 4), (0.008, 8), (0.015, 12), (0.02, 40)])
def test_it_is_as_often_as_simulated(deviation: float, blocks: int) -> None:
    generator = random.Random(f"{deviation} {blocks}")
    machines = 1500
    equivalent = 0
    for _machine in range(machines):
        effects = (math.exp(generator.gauss(0, deviation)) for _block in range(blocks))
        comparison = compare([Block((1.0, 1.0), (value, value)) for value in effects], MARGIN)
        assert comparison is not None
        equivalent += comparison.is_within(*MARGIN.bounds)
    expected = power(deviation, blocks, MARGIN)
    assert equivalent / machines == pytest.approx(expected, abs=3.5 * math.sqrt(0.25 / machines))


def test_on_the_margin_it_is_the_level() -> None:
    assert power(0.002, 10, MARGIN, math.log(0.99)) == pytest.approx(LEVEL, abs=1e-3)


def test_the_number_is_the_least_that_suffices() -> None:
    for deviation in (0.003, 0.006, 0.012):
        needed = blocks_needed(deviation, MARGIN, 2, 200)
        assert needed is not None
        assert power(deviation, needed, MARGIN) >= 0.9
        assert needed == 2 or power(deviation, needed - 1, MARGIN) < 0.9


def test_without_noise_the_least_and_with_too_much_none() -> None:
    assert blocks_needed(0.0, MARGIN, 4, 100) == 4
    assert blocks_needed(0.2, MARGIN, 4, 100) is None
