# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cores serve a guest best: fast before slow, few caches before many, and the larger cache of two."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .._machine import Core, Machine

_EFFICIENCY = "efficiency"


class Pool(NamedTuple):
    """Cores that share a node and an L3, or whose L3 is not known."""

    node: int | None
    l3: str | None
    size: int  # of the L3, in bytes; 0 where that is not known
    with_host: bool  # the host's own core is in it
    cores: tuple[Core, ...]


def pools(cores: Sequence[Core], of_host: Core, machine: Machine) -> tuple[Pool, ...]:
    """Return cores by node and L3, in the order of their CPUs."""
    found: dict[tuple[int | None, str | None], list[Core]] = {}
    for core in sorted(cores, key=lambda one: one.cpus):
        found.setdefault((core.node, core.l3), []).append(core)
    return tuple(
        Pool(node, l3, _size(machine, l3), (of_host.node, of_host.l3) == (node, l3), tuple(members))
        for (node, l3), members in found.items()
    )


def _size(machine: Machine, l3: str | None) -> int:
    group = machine.cpus.l3_groups.get(l3) if l3 is not None else None
    return (group.size_bytes or 0) if group else 0


def take(
    machine: Machine, free: Sequence[Core], nodes: Sequence[int], of_host: Core, count: int | None, spare: int
) -> tuple[Core, ...]:
    """Return the cores for guests.

    Args:
        machine: The machine.
        free: Cores that may be taken: at least one, and at least `count`.
        nodes: The devices' nodes, the most important first; none where every node is as good.
        of_host: The core that the host always keeps.
        count: How many; None: those of one cache.
        spare: More than that are never taken.
    """
    fast = [core for core in free if core.kind != _EFFICIENCY]
    if count is None:
        best = min(pools(fast or free, of_host, machine), key=lambda pool: _most(pool, nodes))
        return _last(best.cores, min(spare, len(best.cores)))
    chosen = _fewest(pools(fast, of_host, machine), nodes, min(count, len(fast)))
    if len(chosen) < count:
        slow = [core for core in free if core.kind == _EFFICIENCY]
        chosen = (*chosen, *_fewest(pools(slow, of_host, machine), nodes, count - len(chosen)))
    return tuple(sorted(chosen, key=lambda core: core.cpus))


def _distance(node: int | None, nodes: Sequence[int]) -> int:
    return nodes.index(node) if node in nodes else len(nodes)


def _most(pool: Pool, nodes: Sequence[int]) -> tuple[object, ...]:
    """Rank a pool that is to be had as a whole: near, with a large cache, with many cores."""
    return _distance(pool.node, nodes), -pool.size, -len(pool.cores), pool.with_host, pool.cores[0].cpus


def _fewest(found: Sequence[Pool], nodes: Sequence[int], count: int) -> tuple[Core, ...]:
    """Return so many cores out of as few pools as hold them, all on one node if one has that many."""
    by_node: dict[int | None, list[Pool]] = {}
    for pool in found:
        by_node.setdefault(pool.node, []).append(pool)
    best: tuple[tuple[object, ...], tuple[Core, ...]] | None = None
    for node, members in by_node.items():
        if sum(len(pool.cores) for pool in members) >= count:
            chosen, used = _greedy(members, nodes, count)
            rank = (_distance(node, nodes), used, any(pool.with_host for pool in members), -1 if node is None else node)
            if best is None or rank < best[0]:
                best = (rank, chosen)
    return best[1] if best else _greedy(found, nodes, count)[0]


def _greedy(found: Sequence[Pool], nodes: Sequence[int], count: int) -> tuple[tuple[Core, ...], int]:
    """Return cores, and of how many pools: large ones until one holds the rest."""
    chosen: list[Core] = []
    left = list(found)
    used = 0
    while left and len(chosen) < count:
        missing = count - len(chosen)
        best = min(left, key=lambda pool: _fit(pool, nodes, missing))
        left.remove(best)
        chosen.extend(_last(best.cores, min(len(best.cores), missing)))
        used += 1
    return tuple(chosen), used


def _fit(pool: Pool, nodes: Sequence[int], missing: int) -> tuple[object, ...]:
    """Rank a pool of which some cores are wanted: one that has them all, near, with a large cache, without the host."""
    enough = len(pool.cores) >= missing
    # Of those that are too small, the one with the most cores leaves the fewest caches to add.
    size = len(pool.cores) if enough else -len(pool.cores)
    first = () if enough else (size,)
    return (not enough, _distance(pool.node, nodes), *first, -pool.size, pool.with_host, size, pool.cores[0].cpus)


def _last(cores: Sequence[Core], count: int) -> tuple[Core, ...]:
    """Return the last of cores: the first ones, next to CPU 0, stay with the host."""
    return tuple(cores[len(cores) - count :])
