# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host and the guest showed while the guest ran a kind of work."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import Counters, GuestProcess

from .result import Result, Turn
from .schedule import GUEST

#: Where ticks of a CPU are counted twice: time in a guest is part of the time of user processes.
_WITHIN = {"user": "guest", "nice": "guest_nice"}
_IDLE = ("idle", "iowait", "steal")

Span = t.Tuple[Counters, Counters]


class Evidence(t.NamedTuple):
    """What was counted, over all runs of a kind in the guest.

    Attributes:
        exits: Counters of KVM for each second; empty where KVM shows none.
        steal: Share of the time that the guest waited for its CPUs; None if unknown.
        host: Share of the time that the measured CPUs of the host were used outside of guests; None if unknown.
        throttled: How often cores were throttled for their temperature.
        process: The guest's process, as it was last; None if it is unknown.
    """

    exits: t.Mapping[str, float]
    steal: float | None
    host: float | None
    throttled: int
    process: GuestProcess | None


def evidence_of(result: Result, kind: str) -> Evidence:
    """Return what was counted while the guest ran a kind of work.

    The host counts between two native turns of a block: the guest ran in between, and was suspended in both.
    """
    blocks: dict[int, dict[int, Turn]] = {}
    for turn in result.turns:
        if (turn.kind, turn.phase) == (kind, GUEST):
            blocks.setdefault(turn.block, {})[turn.order] = turn
    complete = [turns for turns in blocks.values() if set(turns) == {0, 1, 2}]
    spans = [(turns[0].after, turns[2].before) for turns in complete]
    inside = [(turns[1].before, turns[1].after) for turns in complete]
    processes = [turn.process for turn in result.turns if turn.process]
    return Evidence(
        _rates(spans),
        _share(_ticks(inside), ("steal",)),
        _outside_of_guests(_ticks(spans)),
        sum((after.throttled or 0) - (before.throttled or 0) for before, after in spans),
        processes[-1] if processes else None,
    )


def _rates(spans: t.Sequence[Span]) -> dict[str, float]:
    seconds = sum(after.at - before.at for before, after in spans)
    counts = _total((before.kvm, after.kvm) for before, after in spans)
    return {name: count / seconds for name, count in counts.items()} if seconds > 0 else {}


def _ticks(spans: t.Sequence[Span]) -> dict[str, float]:
    ticks = _total((before.cpu, after.cpu) for before, after in spans)
    for outer, inner in _WITHIN.items():
        ticks[outer] = ticks.get(outer, 0.0) - ticks.get(inner, 0.0)
    return ticks


def _share(ticks: t.Mapping[str, float], names: t.Iterable[str]) -> float | None:
    total = sum(ticks.values())
    return sum(ticks.get(name, 0.0) for name in names) / total if total > 0 else None


def _outside_of_guests(ticks: t.Mapping[str, float]) -> float | None:
    """Return the share; None if nothing ran in a guest of KVM, so that all of the work was outside of guests."""
    if not any(ticks.get(name, 0.0) for name in _WITHIN.values()):
        return None
    return _share(ticks, (name for name in ticks if name not in (*_IDLE, *_WITHIN.values())))


def _total(spans: t.Iterable[tuple[t.Mapping[str, int], t.Mapping[str, int]]]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for before, after in spans:
        for name, count in after.items():
            totals[name] = totals.get(name, 0.0) + count - before.get(name, 0)
    return totals
