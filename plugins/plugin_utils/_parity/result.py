# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The saved result of a measurement: settings, all samples, and the conditions of both sides, read and checked.

Everything else is computed from it: verdicts, tables and pages.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import HIGHER, Counters, GuestProcess
from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS

from .equivalence import DIFFERENCE, RATIO, Block, Margin
from .schedule import PHASES

VERSION = 1
_RUNS = 2  # of each side in a block

Json = t.Mapping[str, t.Any]


class Unreadable(ValueError):
    """A result that can't be used; the message says where, what was found, and what was expected."""


class Side(t.NamedTuple):
    """One side of the comparison: what the module `benchmark` returned before any run.

    Attributes:
        name: Name of the host in the inventory.
        cpus: The CPUs that were measured.
        conditions: Settings that change the speed.
        tools: Versions of the tools.
        kvm: Parameters of KVM's modules.
    """

    name: str
    cpus: tuple[int, ...]
    conditions: Json
    tools: Json
    kvm: Json


class Turn(t.NamedTuple):
    """One call of the module `benchmark`, and its place in the schedule."""

    phase: str
    kind: str
    block: int
    order: int
    values: tuple[float, ...]
    before: Counters
    after: Counters
    process: GuestProcess | None


class Result(t.NamedTuple):
    """A measurement.

    Attributes:
        margin: The greatest difference of speeds, in percent.
        latency_limit: The greatest difference of tails, in microseconds.
        node: The NUMA node that was measured; None for any.
        native: The host.
        guest: The guest; None if only the noise was measured.
        turns: In their order.
        plan: By kind, how many blocks were planned.
        seed: What the order depends on.
    """

    margin: float
    latency_limit: float
    node: int | None
    native: Side
    guest: Side | None
    turns: tuple[Turn, ...]
    plan: Json
    seed: str


def read_result(document: t.Any, name: str) -> Result:
    """Return a result.

    Args:
        document: The JSON document.
        name: What it is called in messages.

    Raises:
        Unreadable: It is no such document, or one of another version.
    """
    top = _mapping(document, name)
    if top.get("version") != VERSION:
        raise Unreadable(
            f"{name}: found version {top.get('version')!r}, expected {VERSION}. "
            "Pass a file that the playbook vfio.workstation.parity has written."
        )
    limits = _mapping(top.get("limits"), f"{name}: limits")
    guest = top.get("guest")
    turns = top.get("turns")
    if not isinstance(turns, (list, tuple)):
        raise Unreadable(f"{name}: turns: found {turns!r:.60}, expected a list.")
    return Result(
        _number(limits.get("percent"), f"{name}: limits.percent"),
        _number(limits.get("latency_us"), f"{name}: limits.latency_us"),
        top.get("node"),
        _side(top.get("native"), f"{name}: native"),
        None if guest is None else _side(guest, f"{name}: guest"),
        tuple(_turn(turn, f"{name}: turns[{position}]") for position, turn in enumerate(turns)),
        _mapping(top.get("plan", {}), f"{name}: plan"),
        str(top.get("seed", "")),
    )


def read_results(documents: t.Any) -> list[Result]:
    """Return several results.

    Raises:
        Unreadable: As `read_result`; or it is no list.
    """
    if not isinstance(documents, (list, tuple)):
        raise Unreadable(f"found {type(documents).__name__}, expected a list of results.")
    return [read_result(document, f"result {number}") for number, document in enumerate(documents, 1)]


def margin_of(kind: str, result: Result) -> Margin:
    """Return what counts as equivalent for a kind of work."""
    if KINDS[kind].is_tail:
        return Margin(DIFFERENCE, None, result.latency_limit)
    return Margin(RATIO, 1 - result.margin / 100, 1 + result.margin / 100)


def kinds_of(result: Result) -> list[str]:
    """Return the kinds of work that were measured, in the order of the table of kinds."""
    measured = {turn.kind for turn in result.turns}
    return [kind for kind in KINDS if kind in measured]


def blocks_of(result: Result, kind: str, phase: str) -> list[Block]:
    """Return the complete blocks of a kind; of one that was interrupted, nothing can be said."""
    blocks: dict[int, tuple[list[float], list[float]]] = {}
    for turn in result.turns:
        if (turn.kind, turn.phase) == (kind, phase):
            native, guest = blocks.setdefault(turn.block, ([], []))
            (guest if turn.order == 1 else native).extend(_speeds(turn))
    complete = (sides for _block, sides in sorted(blocks.items()) if all(len(side) == _RUNS for side in sides))
    return [Block(tuple(native), tuple(guest)) for native, guest in complete]


def _speeds(turn: Turn) -> list[float]:
    """Return values of which greater is faster; latencies as they are."""
    kind = KINDS[turn.kind]
    if kind.is_tail or kind.better == HIGHER:
        return list(turn.values)
    return [1 / value for value in turn.values]


def _side(value: t.Any, name: str) -> Side:
    side = _mapping(value, name)
    cpus = side.get("cpus", ())
    if not isinstance(cpus, (list, tuple)):
        raise Unreadable(f"{name}: cpus: found {cpus!r:.60}, expected a list.")
    parts = (_mapping(side.get(key) or {}, f"{name}: {key}") for key in ("conditions", "tools", "kvm"))
    return Side(str(side.get("name", "")), tuple(cpus), *parts)


def _turn(value: t.Any, name: str) -> Turn:
    turn = _mapping(value, name)
    phase, kind = turn.get("phase"), turn.get("kind")
    if not isinstance(phase, str) or phase not in PHASES:
        raise Unreadable(f"{name}: phase: found {phase!r:.60}, expected one of {', '.join(PHASES)}.")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Unreadable(f"{name}: kind: found {kind!r:.60}, expected one of {', '.join(KINDS)}.")
    samples = turn.get("samples")
    if not isinstance(samples, (list, tuple)):
        raise Unreadable(f"{name}: samples: found {samples!r:.60}, expected a list.")
    values = tuple(
        _number(_mapping(sample, f"{name}: samples").get("value"), f"{name}: samples: value") for sample in samples
    )
    before, after = (_counters(turn.get(key), f"{name}: {key}") for key in ("before", "after"))
    block, order = (_count(turn.get(key), f"{name}: {key}") for key in ("block", "order"))
    return Turn(phase, kind, block, order, values, before, after, _process(turn.get("process"), f"{name}: process"))


def _counters(value: t.Any, name: str) -> Counters:
    counters = _mapping(value, name)
    throttled = counters.get("throttled")
    return Counters(
        _number(counters.get("at"), f"{name}: at"),
        _counts(counters.get("kvm"), f"{name}: kvm"),
        _counts(counters.get("cpu"), f"{name}: cpu"),
        None if throttled is None else _count(throttled, f"{name}: throttled"),
    )


def _process(value: t.Any, name: str) -> GuestProcess | None:
    if value is None:
        return None
    process = _mapping(value, name)
    vcpus = process.get("vcpus")
    if not isinstance(vcpus, (list, tuple)):
        raise Unreadable(f"{name}: vcpus: found {vcpus!r:.60}, expected a list.")
    pages, nodes = (_counts(process.get(key), f"{name}: {key}") for key in ("page_bytes", "node_bytes"))
    return GuestProcess(tuple(map(str, vcpus)), pages, nodes, bool(process.get("uses_kvm")))


def _counts(value: t.Any, name: str) -> dict[str, int]:
    return {str(key): _count(count, f"{name}: {key}") for key, count in _mapping(value, name).items()}


def _mapping(value: t.Any, name: str) -> Json:
    if not isinstance(value, t.Mapping):
        raise Unreadable(f"{name}: found {value!r:.60}, expected a mapping.")
    return value


def _number(value: t.Any, name: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise Unreadable(f"{name}: found {value!r:.60}, expected a number greater than 0.")
    return float(value)


def _count(value: t.Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"{name}: found {value!r:.60}, expected a number of 0 or more.")
    return value
