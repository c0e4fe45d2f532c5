# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on simulated machines of which the truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity import verdict
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.equivalence import (
    DIFFERENCE,
    RATIO,
    Block,
    Margin,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.verdict import judge, worst

MARGIN = Margin(RATIO, 0.99, 1.01)
LATENCY = Margin(DIFFERENCE, None, 20.0)
MACHINES = 1000
#: The level, and three standard errors of a simulation of that many machines.
MOST_WRONG = 0.05 + 3 * math.sqrt(0.05 * 0.95 / MACHINES)

Noise = Callable[[random.Random, int], float]


def quiet(generator: random.Random, _turn: int) -> float:
    return generator.gauss(0, 0.004)


def loud(generator: random.Random, _turn: int) -> float:
    return generator.gauss(0, 0.05)


def drifting(generator: random.Random, turn: int) -> float:
    return generator.gauss(0, 0.004) - 0.01 * turn


def with_outliers(generator: random.Random, _turn: int) -> float:
    return generator.gauss(0, 0.004) - (0.2 if generator.random() < 0.05 else 0.0)


NOISES = (quiet, loud, drifting, with_outliers)


def machine(generator: random.Random, ratio: float, noise: Noise, count: int = 8) -> list[Block]:
    """Return the blocks of a machine whose guest has a share of the native speed, in the order A B B A."""
    blocks = []
    for number in range(count):
        a, b, c, d = (100 * math.exp(noise(generator, 4 * number + turn)) for turn in range(4))
        blocks.append(Block((a, d), (b * ratio, c * ratio)))
    return blocks


def share(word: str, ratio: float, noise: Noise) -> float:
    """Return how often machines get a verdict."""
    generator = random.Random(f"{ratio} {noise.__name__}")
    words = [
        judge(machine(generator, 1.0, noise), machine(generator, ratio, noise), MARGIN).word
        for _machine in range(MACHINES)
    ]
    return words.count(word) / MACHINES


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("ratio", [0.9, 0.99, 1.01])
def test_a_guest_on_the_margin_or_beyond_is_seldom_called_equivalent(noise: Noise, ratio: float) -> None:
    assert share(verdict.EQUIVALENT, ratio, noise) <= MOST_WRONG


@pytest.mark.parametrize("noise", [quiet, drifting])
def test_an_equal_guest_on_a_quiet_machine_is_equivalent(noise: Noise) -> None:
    assert share(verdict.EQUIVALENT, 1.0, noise) > 0.95


def test_an_equal_guest_is_seldom_called_not_equivalent() -> None:
    assert max(share(verdict.NOT_EQUIVALENT, 1.0, noise) for noise in NOISES) <= MOST_WRONG


def shared_load(generator: random.Random, count: int) -> list[Block]:
    """Return blocks of a machine that other work slows down, for longer than a run and by another share each time."""
    load, blocks = 0.0, []
    for _number in range(count):
        speeds = []
        for _turn in range(4):
            load = 0.7 * load + generator.gauss(0, 0.1)
            speeds.append(math.exp(load + generator.gauss(0, 0.02)))
        blocks.append(Block((speeds[0], speeds[3]), (speeds[1], speeds[2])))
    return blocks


def test_an_equal_guest_on_a_busy_machine_is_hardly_ever_called_not_equivalent() -> None:
    """A busy machine with few blocks, compared with itself, differed in one of eleven kinds before this was tested."""
    generator = random.Random("busy")
    words = [judge(shared_load(generator, 3), shared_load(generator, 4), MARGIN).word for _machine in range(MACHINES)]
    assert words.count(verdict.NOT_EQUIVALENT) / MACHINES <= 0.002
    assert words.count(verdict.EQUIVALENT) == 0


def test_noise_is_never_equivalent() -> None:
    assert share(verdict.TOO_NOISY, 1.0, loud) > 0.95


def test_a_great_difference_shows_through_noise() -> None:
    assert share(verdict.NOT_EQUIVALENT, 0.3, loud) > 0.95


def constant(native: float, guest: float, count: int = 4) -> list[Block]:
    return [Block((native, native * 1.0001), (guest, guest * 1.0001))] * count


def test_the_reason_says_in_which_direction() -> None:
    assert judge(constant(1, 1), constant(1, 0.9), MARGIN).reason == "the guest is slower"
    assert judge(constant(1, 1), constant(1, 1.1), MARGIN).reason.startswith("the guest is faster")
    assert judge(constant(5, 5), constant(5, 90), LATENCY).reason == "the guest is slower"


def test_a_shorter_latency_is_equivalent() -> None:
    assert judge(constant(50, 50), constant(50, 5), LATENCY).word == verdict.EQUIVALENT


def test_a_latency_that_differs_between_two_native_sides_is_noise() -> None:
    assert judge(constant(50, 5), constant(50, 50), LATENCY).word == verdict.TOO_NOISY


def test_an_interval_across_the_margin_is_not_decided() -> None:
    blocks = [Block((1.0,), (ratio,)) for ratio in (0.98, 1.0, 0.985, 0.995)]
    assert judge(constant(1, 1), blocks, MARGIN).word == verdict.TOO_NOISY


def test_without_blocks_nothing_is_claimed() -> None:
    assert judge(constant(1, 1), [], MARGIN).word == verdict.NOT_MEASURED
    assert judge([], constant(1, 1), MARGIN).word == verdict.TOO_NOISY


def test_the_worst_verdict_counts() -> None:
    assert worst([verdict.EQUIVALENT, verdict.TOO_NOISY]) == verdict.TOO_NOISY
    assert worst([verdict.TOO_NOISY, verdict.NOT_EQUIVALENT]) == verdict.NOT_EQUIVALENT
    assert worst([verdict.EQUIVALENT]) == verdict.EQUIVALENT
    assert worst([]) == verdict.NOT_MEASURED
