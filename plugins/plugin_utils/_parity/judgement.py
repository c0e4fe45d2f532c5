# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement on a measurement: a verdict on each kind of work, with causes, and one on all of them."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS, Kind

from .causes import Cause, causes, differences
from .equivalence import Comparison, Margin, compare
from .evidence import evidence_of
from .result import Result, blocks_of, kinds_of, margin_of
from .sample_size import BlockPlan, blocks_needed, power
from .schedule import GUEST, NOISE
from .verdict import NOT_EQUIVALENT, TOO_NOISY, Verdict, judge, worst

#: Blocks of a kind: the fewest that are measured, the fewest where the time is limited, and the most considered.
LEAST_BLOCKS, FEWEST_BLOCKS, MOST_BLOCKS = 4, 2, 400
#: Verdicts that causes are looked for.
_UNSATISFACTORY = (NOT_EQUIVALENT, TOO_NOISY)


class Judgement(t.NamedTuple):
    """The verdict on a kind of work, and the causes that are visible if it is not equivalent."""

    kind: Kind
    margin: Margin
    verdict: Verdict
    causes: tuple[Cause, ...]


class Report(t.NamedTuple):
    """The judgement on a measurement.

    Attributes:
        result: The measurement.
        word: The verdict on all kinds.
        kinds: The judgement on each kind.
        differences: Settings in which both sides differ.
    """

    result: Result
    word: str
    kinds: t.Mapping[str, Judgement]
    differences: tuple[str, ...]


def report(result: Result) -> Report:
    """Return the judgement on a measurement."""
    kinds = {kind: _judgement(result, kind) for kind in kinds_of(result)}
    differing = differences(result.native, result.guest) if result.guest else []
    return Report(result, worst(item.verdict.word for item in kinds.values()), kinds, tuple(differing))


def noise_of(result: Result, kind: str) -> Comparison | None:
    """Return the comparison of two native sides."""
    return compare(blocks_of(result, kind, NOISE), margin_of(kind, result))


def plan_blocks(result: Result, limit: float) -> dict[str, BlockPlan]:
    """Return how many blocks each kind has in the comparison with the guest.

    Args:
        result: The measurement, with the noise.
        limit: The seconds that all kinds together may take. Beyond it, all get the same share of what they need.
    """
    plans = {kind: _block_plan(result, kind) for kind in kinds_of(result)}
    total = sum(plan.seconds for plan in plans.values())
    share = min(1.0, limit / total) if total else 1.0
    return {
        kind: _reduced(plan, share, noise_of(result, kind), margin_of(kind, result)) for kind, plan in plans.items()
    }


def _judgement(result: Result, kind: str) -> Judgement:
    margin = margin_of(kind, result)
    verdict = judge(blocks_of(result, kind, NOISE), blocks_of(result, kind, GUEST), margin)
    visible = causes(evidence_of(result, kind), result) if verdict.word in _UNSATISFACTORY else []
    return Judgement(KINDS[kind], margin, verdict, tuple(visible))


def _block_plan(result: Result, kind: str) -> BlockPlan:
    noise, margin = noise_of(result, kind), margin_of(kind, result)
    seconds = _seconds_of_a_block(result, kind)
    if noise is None:
        return BlockPlan(None, LEAST_BLOCKS, 0.0, LEAST_BLOCKS * seconds)
    needed = blocks_needed(noise.deviation, margin, LEAST_BLOCKS, MOST_BLOCKS)
    # Where noise makes a verdict impossible, a great difference may still show.
    planned = LEAST_BLOCKS if needed is None else needed
    return BlockPlan(needed, planned, power(noise.deviation, planned, margin), planned * seconds)


def _reduced(plan: BlockPlan, share: float, noise: Comparison | None, margin: Margin) -> BlockPlan:
    planned = max(FEWEST_BLOCKS, int(plan.planned * share))
    if planned >= plan.planned or noise is None:
        return plan
    seconds = plan.seconds * planned / plan.planned
    return BlockPlan(plan.needed, planned, power(noise.deviation, planned, margin), seconds)


def _seconds_of_a_block(result: Result, kind: str) -> float:
    """Return the time from the first turn of a block to its last, on the average."""
    starts: dict[int, list[float]] = {}
    for turn in result.turns:
        if (turn.kind, turn.phase) == (kind, NOISE):
            starts.setdefault(turn.block, []).extend((turn.before.at, turn.after.at))
    spans = [max(times) - min(times) for times in starts.values()]
    return sum(spans) / len(spans) if spans else 0.0
