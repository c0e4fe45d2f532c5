# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drawing of the processors of a host: packages, nodes, L3 caches and cores, and who has them. Pure."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Core, Cpus
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.drawing import Box

GUEST, HOST, SHARED = "guest", "host", "shared"
_CORE_SIZE = (58, 38)
_KINDS = {"performance": "P", "efficiency": "E"}


def guest_cpus(cpus: Cpus, reserved: t.Iterable[int]) -> frozenset[int]:
    """Return the CPUs for guests: the reserved ones, and those that the kernel keeps free of the host's processes."""
    return frozenset((*reserved, *(cpus.isolated or ())))


def cpu_boxes(cpus: Cpus, for_guests: t.Collection[int]) -> tuple[Box, ...]:
    """Return the boxes of the processors.

    Args:
        cpus: The processors.
        for_guests: The CPUs for guests.
    """
    levels: tuple[t.Callable[[Core], tuple[str, str]], ...] = (
        lambda core: ("package", "package " + _text(core.package)),
        lambda core: ("node", "node " + _text(core.node)),
        lambda core: ("cache", _cache(cpus, core)),
    )
    return _nested(cpus.cores, levels, for_guests)


def holder(core: Core, for_guests: t.Collection[int]) -> str:
    """Return who has a core: guests, the host, or both."""
    count = sum(cpu in for_guests for cpu in core.cpus)
    return GUEST if count == len(core.cpus) else SHARED if count else HOST


def _nested(
    cores: t.Sequence[Core],
    levels: t.Sequence[t.Callable[[Core], tuple[str, str]]],
    for_guests: t.Collection[int],
) -> tuple[Box, ...]:
    if not levels:
        return tuple(_core(core, for_guests) for core in cores)
    parts: dict[tuple[str, str], list[Core]] = {}
    for core in cores:
        parts.setdefault(levels[0](core), []).append(core)
    return tuple(
        Box(kind, label, children=_nested(members, levels[1:], for_guests)) for (kind, label), members in parts.items()
    )


def _core(core: Core, for_guests: t.Collection[int]) -> Box:
    owner = holder(core, for_guests)
    words = (_KINDS.get(core.kind or ""), {GUEST: "guests", SHARED: "both"}.get(owner, "host"))
    return Box(f"core {owner}", ranges(core.cpus), " ".join(filter(None, words)), size=_CORE_SIZE)


def ranges(numbers: t.Iterable[int]) -> str:
    """Return numbers as a list of ranges, such as 0-3,8."""
    groups = itertools.groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0])
    runs = ([number for _index, number in group] for _offset, group in groups)
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _cache(cpus: Cpus, core: Core) -> str:
    group = cpus.l3_groups.get(core.l3 or "")
    if group is None:
        return "L3 unknown" if core.l3 is None else f"L3 {core.l3}"
    return "L3" + (f" {group.size_bytes / 1024 / 1024:g} MiB" if group.size_bytes else "")


def _text(number: int | None) -> str:
    return "unknown" if number is None else str(number)
