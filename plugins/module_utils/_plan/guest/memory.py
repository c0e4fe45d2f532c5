# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of a guest: huge pages on the NUMA nodes of its vCPUs, and a NUMA node of its own for each of them."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from ..._machine import Machine
from ..._machine.guest import GuestRequest, Setting
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..notation import numbers_text, page_size_text, size_text
from ..refusals import refuse
from .cpu import CpuLayout

_KIB = 1024


class MemoryLayout(NamedTuple):
    """The memory of a guest."""

    page_kb: int | None  # None: not on huge pages
    by_node: Mapping[int, int]  # bytes on each of the host's nodes; in the order of the guest's nodes
    strict: bool  # whether the memory is bound to these nodes: where the host has others
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """All memory in bytes."""
        return sum(self.by_node.values())


def plan_memory(machine: Machine, request: GuestRequest, layout: CpuLayout) -> MemoryLayout | tuple[Refusal, ...]:
    """Return the memory, or why it is refused."""
    nodes = _nodes(machine, layout)
    strict = len(machine.memory.nodes) > 1
    pools = _pools(machine, nodes)
    if not pools:
        return _without_pages(machine, request, nodes, strict)
    refusals = []
    for size in sorted(pools, reverse=True):
        shares = _shares(request.memory_bytes, layout, nodes, pools[size], size * _KIB)
        problem = _problem(request, shares, pools[size], size)
        if problem is None:
            return MemoryLayout(size, shares, strict, ())
        refusals.append(problem)
    return (refuse("guest_memory_exceeds_pages", "; ".join(dict.fromkeys(refusals))),)


def _nodes(machine: Machine, layout: CpuLayout) -> tuple[int, ...]:
    """Return the nodes of the vCPUs; the only node, or node 0, where the kernel reports none."""
    nodes = tuple(dict.fromkeys(node for node in layout.nodes if node is not None))
    known = tuple(node for node in nodes if str(node) in machine.memory.nodes)
    return known or tuple(sorted(map(int, machine.memory.nodes)))[:1] or (0,)


def _pools(machine: Machine, nodes: Sequence[int]) -> dict[int, dict[int, int]]:
    """Return for each page size the bytes of the pools on each node; only sizes that every node has pages of."""
    pools: dict[int, dict[int, int]] = {}
    for node in nodes:
        known = machine.memory.nodes.get(str(node))
        for size, pool in known.hugepages.items() if known else ():
            if pool.total:
                pools.setdefault(int(size), {})[node] = pool.total * int(size) * _KIB
    return {size: amounts for size, amounts in pools.items() if len(amounts) == len(nodes)}


def _shares(
    memory: int | None, layout: CpuLayout, nodes: Sequence[int], pools: Mapping[int, int], page: int
) -> dict[int, int]:
    """Return the bytes on each node: what is requested, by the number of vCPUs, in whole pages; or all pages."""
    if memory is None:
        return dict(pools)
    pages = memory // page
    shares = {node: pages * layout.nodes.count(node) // len(layout.pins) for node in nodes}
    shares[nodes[0]] += pages - sum(shares.values())
    return {node: count * page for node, count in shares.items()}


def _problem(request: GuestRequest, shares: Mapping[int, int], pools: Mapping[int, int], size: int) -> str | None:
    name, pages = request.name, f"pages of {page_size_text(size)}"
    if request.memory_bytes is not None and request.memory_bytes % (size * _KIB):
        return f"{name}: {size_text(request.memory_bytes)} is not a whole number of {pages}"
    for node, amount in shares.items():
        if amount > pools[node]:
            has = size_text(pools[node])
            return f"{name}: {size_text(amount)} are requested of node {node}, which has {has} in {pages}"
    return None


def _without_pages(
    machine: Machine, request: GuestRequest, nodes: Sequence[int], strict: bool
) -> MemoryLayout | tuple[Refusal, ...]:
    has_pages = any(pool.total for node in machine.memory.nodes.values() for pool in node.hugepages.values())
    if request.memory_bytes is None or has_pages:
        seen = f"{request.name}: no huge pages are allocated on node {numbers_text(nodes)}, which its vCPUs are on"
        remedy = "Request hugepages from the host, and reboot it if necessary."
        if not has_pages:
            remedy += " To use ordinary memory, set memory."
        return (refuse("guest_memory_exceeds_pages", seen, remedy=remedy),)
    total = machine.memory.total_bytes
    if total is not None and request.memory_bytes >= total:
        seen = f"{request.name}: {size_text(request.memory_bytes)} are requested, and the host has {size_text(total)}"
        return (refuse("guest_memory_exceeds_pages", seen),)
    pages = request.memory_bytes // _KIB // len(nodes)
    by_node = dict.fromkeys(nodes, pages * _KIB)
    by_node[nodes[0]] += request.memory_bytes - sum(by_node.values())
    note = "the host has no huge pages: the guest is on ordinary memory, which costs speed"
    return MemoryLayout(None, by_node, strict, (note,))


def cells(layout: CpuLayout, memory: MemoryLayout) -> Element | None:
    """Return the NUMA nodes of the guest as `<numa>`; None where it has one."""
    if len(memory.by_node) < 2:
        return None
    return element(
        "numa",
        *(
            element(
                "cell",
                id=number,
                cpus=numbers_text(vcpu for vcpu, on in enumerate(layout.nodes) if on == node),
                memory=amount // _KIB,
                unit="KiB",
            )
            for number, (node, amount) in enumerate(memory.by_node.items())
        ),
    )


def memory_settings(memory: MemoryLayout) -> tuple[Setting, ...]:
    """Return the settings of the memory.

    There is no `<locked/>` and no `<hard_limit>`: for a guest with a device, libvirt raises the limit of locked memory
    by itself, and VFIO pins all of the memory.
    """
    total = str(memory.total // _KIB)
    settings = [
        Setting((), element("memory"), element("memory", total, unit="KiB")),
        # Less than all of the memory would be for a balloon, which has none to give back: VFIO pins it.
        Setting((), element("currentMemory"), element("currentMemory", total, unit="KiB")),
        Setting(("devices",), element("memballoon"), element("memballoon", model="none"), exclusive=True),
    ]
    if memory.page_kb is not None:
        pages = element("hugepages", element("page", size=memory.page_kb, unit="KiB"))
        settings.append(Setting(("memoryBacking",), element("hugepages"), pages, exclusive=True))
    if not memory.strict:
        return tuple(settings)
    nodes = tuple(memory.by_node)
    tune = element("memory", mode="strict", nodeset=numbers_text(nodes))
    settings.append(Setting(("numatune",), element("memory"), tune, exclusive=True))
    if len(nodes) > 1:
        for number, node in enumerate(nodes):
            key = element("memnode", cellid=number)
            settings.append(Setting(("numatune",), key, element("memnode", cellid=number, mode="strict", nodeset=node)))
    return tuple(settings)
