# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choice of cores for guests: performance cores first, from as few L3 caches as possible, from larger caches first."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .._machine import Core, Machine

_EFFICIENCY = "efficiency"


class Pool(NamedTuple):
    """Cores of one NUMA node that share an L3 cache, or whose L3 cache is unknown."""

    node: int | None
    l3: str | None
    size: int  # of the L3 cache, in bytes; 0 if unknown
    with_host: bool  # whether the core reserved for the host has the same node and L3 cache
    cores: tuple[Core, ...]


def pools(cores: Sequence[Core], host_core: Core, machine: Machine) -> tuple[Pool, ...]:
    """Return cores grouped by node and L3 cache, in the order of their CPUs."""
    members_of: dict[tuple[int | None, str | None], list[Core]] = {}
    for core in sorted(cores, key=lambda core: core.cpus):
        members_of.setdefault((core.node, core.l3), []).append(core)
    return tuple(
        Pool(node, l3, _size(machine, l3), (host_core.node, host_core.l3) == (node, l3), tuple(members))
        for (node, l3), members in members_of.items()
    )


def _size(machine: Machine, l3: str | None) -> int:
    group = machine.cpus.l3_groups.get(l3) if l3 is not None else None
    return (group.size_bytes or 0) if group else 0


def take(
    machine: Machine, free: Sequence[Core], nodes: Sequence[int], host_core: Core, count: int | None, most: int
) -> tuple[Core, ...]:
    """Return the cores for guests.

    Args:
        machine: The machine.
        free: The cores to choose from: at least one, and at least `count`.
        nodes: The nodes of the devices, the most important first; empty if no node is preferred.
        host_core: The core that is always reserved for the host.
        count: The number of cores; None: those of one pool.
        most: The largest number of cores when `count` is None.
    """
    fast = [core for core in free if core.kind != _EFFICIENCY]
    if count is None:
        best = min(pools(fast or free, host_core, machine), key=lambda pool: _rank_whole(pool, nodes))
        return _last(best.cores, min(most, len(best.cores)))
    chosen = _from_fewest_pools(pools(fast, host_core, machine), nodes, min(count, len(fast)))
    if len(chosen) < count:
        slow = [core for core in free if core.kind == _EFFICIENCY]
        chosen = (*chosen, *_from_fewest_pools(pools(slow, host_core, machine), nodes, count - len(chosen)))
    return tuple(sorted(chosen, key=lambda core: core.cpus))


def _distance(node: int | None, nodes: Sequence[int]) -> int:
    """Return the position of a node among the preferred ones; their number if it is none of them."""
    return nodes.index(node) if node in nodes else len(nodes)


def _rank_whole(pool: Pool, nodes: Sequence[int]) -> tuple[object, ...]:
    """Return the rank of a pool that is used as a whole; the best is lowest."""
    return _distance(pool.node, nodes), -pool.size, -len(pool.cores), pool.with_host, pool.cores[0].cpus


def _from_fewest_pools(candidates: Sequence[Pool], nodes: Sequence[int], count: int) -> tuple[Core, ...]:
    """Return `count` cores from as few pools as possible, all on one node if a node has that many."""
    by_node: dict[int | None, list[Pool]] = {}
    for pool in candidates:
        by_node.setdefault(pool.node, []).append(pool)
    best: tuple[tuple[object, ...], tuple[Core, ...]] | None = None
    for node, members in by_node.items():
        if sum(len(pool.cores) for pool in members) >= count:
            chosen, pool_count = _greedy(members, nodes, count)
            with_host = any(pool.with_host for pool in members)
            rank = (_distance(node, nodes), pool_count, with_host, -1 if node is None else node)
            if best is None or rank < best[0]:
                best = (rank, chosen)
    return best[1] if best else _greedy(candidates, nodes, count)[0]


def _greedy(candidates: Sequence[Pool], nodes: Sequence[int], count: int) -> tuple[tuple[Core, ...], int]:
    """Return cores, and the number of pools that they are from: the largest pools until one has all the rest."""
    chosen: list[Core] = []
    unused = list(candidates)
    while unused and len(chosen) < count:
        missing = count - len(chosen)
        best = min(unused, key=lambda pool: _rank_part(pool, nodes, missing))
        unused.remove(best)
        chosen.extend(_last(best.cores, min(len(best.cores), missing)))
    return tuple(chosen), len(candidates) - len(unused)


def _rank_part(pool: Pool, nodes: Sequence[int], missing: int) -> tuple[object, ...]:
    """Return the rank of a pool to take up to `missing` cores from; the best is lowest.

    Pools that have enough cores come first; then it goes by node, cache size, and absence of the host's core.
    """
    enough = len(pool.cores) >= missing
    # Of the pools with too few cores, the one with the most leaves the fewest caches to add.
    size = len(pool.cores) if enough else -len(pool.cores)
    first = () if enough else (size,)
    return (not enough, _distance(pool.node, nodes), *first, -pool.size, pool.with_host, size, pool.cores[0].cpus)


def _last(cores: Sequence[Core], count: int) -> tuple[Core, ...]:
    """Return the last `count` cores: the first ones, next to CPU 0, stay with the host."""
    return tuple(cores[len(cores) - count :])
