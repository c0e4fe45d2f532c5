# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From how many huge pages are wanted to what is asked of the kernel, at boot and at run time, or to refusals.

Source: Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

from .._machine import Machine, MemoryNode
from .._machine.desired import AT_BOOT, AT_RUN, AUTO, HugePagesRequest
from .._machine.host_plan import HugePagesPlan, RuntimePages
from .._machine.plan import Refusal
from .notation import numbers_text, page_size_text, size_text
from .refusals import refuse

#: What huge pages leave to the host, unless a person says otherwise: an eighth of all memory, and no less than 2 GiB.
#: That is our own rule, between Nova's 4 GiB for a host that does nothing else and the 1 GiB with which a small desktop
#: still comes up; page cache, QEMU itself (some hundred MiB a guest) and the desktop live in it.
HOST_SHARE, HOST_LEAST = 8, 2 << 30
#: What stays on each node in any case, as a share of its memory: the kernel's own tables and buffers are node-local.
NODE_SHARE = 16
#: Pages up to this size come from the buddy allocator in the running system (x86: orders up to 10, 4 MiB); larger ones
#: need memory in one piece, which is certain at boot only.
_LARGEST_AT_RUN_KB = 4096
#: Memory that is in use is fragmented: above this part of a node, pages are asked for at boot whatever their size.
_RUN_PART = 2
#: Linux 5.16 counts pages per node on the command line (commit b5389086ad7b, November 2021); older ones take the node
#: for the count (hugepages_setup() in mm/hugetlb.c).
_PER_NODE_SINCE = (5, 16)


class HugePagesResult(NamedTuple):
    """The plan, with what speaks against it."""

    plan: HugePagesPlan
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


class _Spread(NamedTuple):
    """One request, with its pages by node."""

    request: HugePagesRequest
    pages: dict[int | None, int]  # None: wherever the kernel likes
    at: str


def plan_hugepages(
    machine: Machine, requests: Sequence[HugePagesRequest], near: Sequence[int], memory_for_host: int | None = None
) -> HugePagesResult:
    """Return what to ask of the kernel.

    Args:
        machine: The machine.
        requests: The pages that are wanted.
        near: Nodes of devices and CPUs that guests get, the most important first.
        memory_for_host: Bytes that must be left; None: the rule above.
    """
    refusals = [*_unsupported(machine, requests), *_unknown_nodes(machine, requests)]
    notes: list[str] = []
    spreads = []
    sizes = sizes_kb(machine)
    # Those that can be at all: what they come to may be too much as well, and is told of at the same time.
    for request in requests:
        if request.size_kb not in sizes or _nodes_not_there(machine, request):
            continue
        nodes, note = _nodes(machine, request, near)
        notes.extend(note)
        pages = _spread(request.pages, nodes)
        spreads.append(_Spread(request, pages, _when(machine, request, pages)))
    refusals.extend(_too_many(machine, spreads, memory_for_host))
    arguments, refused = _arguments(machine, [one for one in spreads if one.at == AT_BOOT])
    refusals.extend(refused)
    plan = HugePagesPlan(arguments, tuple(_counts(spreads, AT_BOOT)), tuple(_counts(spreads, AT_RUN)))
    return HugePagesResult(plan, tuple(refusals), tuple(notes))


def sizes_kb(machine: Machine) -> tuple[int, ...]:
    """Return the page sizes that the machine has, in kB."""
    return tuple(sorted({int(size) for node in machine.memory.nodes.values() for size in node.hugepages}))


def _unsupported(machine: Machine, requests: Sequence[HugePagesRequest]) -> Iterator[Refusal]:
    sizes = sizes_kb(machine)
    has = ", ".join(map(page_size_text, sizes)) or "none (no /sys/kernel/mm/hugepages)"
    for request in requests:
        if request.size_kb not in sizes:
            seen = f"Huge pages of {page_size_text(request.size_kb)} are wanted, and the machine has these sizes: {has}"
            yield refuse("hugepage_size_unsupported", seen)


def _unknown_nodes(machine: Machine, requests: Sequence[HugePagesRequest]) -> Iterator[Refusal]:
    has = ", ".join(machine.memory.nodes) or "none"
    for request in requests:
        unknown = _nodes_not_there(machine, request)
        if unknown:
            seen = f"Huge pages are wanted on node {numbers_text(unknown)}, and the machine has nodes {has}"
            yield refuse("memory_node_unknown", seen)


def _nodes_not_there(machine: Machine, request: HugePagesRequest) -> list[int]:
    """Return the nodes that a request names and the machine does not have."""
    named = request.nodes if isinstance(request.nodes, tuple) else ()
    return [node for node in named if str(node) not in machine.memory.nodes]


def _with_memory(machine: Machine) -> list[int]:
    return [int(number) for number, node in machine.memory.nodes.items() if node.total_bytes != 0]


def _nodes(machine: Machine, request: HugePagesRequest, near: Sequence[int]) -> tuple[list[int | None], list[str]]:
    """Return the nodes of a request, and what to say of them."""
    if request.nodes is None:
        return [None], []
    if isinstance(request.nodes, tuple):
        return list(request.nodes), []
    usable = _with_memory(machine)
    chosen: list[int | None] = [node for node in dict.fromkeys(near) if node in usable]
    if chosen or len(usable) < 2:
        return chosen or [*usable[:1]] or [None], []
    # Without anything to be near to, one node with CPUs: a guest's memory on two costs it more than it gains.
    with_cpus = [node for node in usable if machine.memory.nodes[str(node)].cpus]
    node = (with_cpus or usable)[0]
    size = page_size_text(request.size_kb)
    return [node], [f"Huge pages of {size} are on node {node}: no device or CPU of a guest says where they should be"]


def _spread(count: int, nodes: Sequence[int | None]) -> dict[int | None, int]:
    """Return pages by node, as even as can be; the first ones get what is left over."""
    each, left = divmod(count, len(nodes))
    pages = {node: each + (position < left) for position, node in enumerate(nodes)}
    return {node: number for node, number in pages.items() if number}


def _when(machine: Machine, request: HugePagesRequest, pages: dict[int | None, int]) -> str:
    if request.at != AUTO:
        return request.at
    if request.size_kb > _LARGEST_AT_RUN_KB:
        return AT_BOOT
    for node, count in pages.items():
        total = _total(machine, node)
        if total is not None and count * request.size_kb * 1024 * _RUN_PART > total:
            return AT_BOOT
    return AT_RUN


def _total(machine: Machine, node: int | None) -> int | None:
    if node is None:
        return _all_memory(machine)
    known: MemoryNode | None = machine.memory.nodes.get(str(node))
    return known.total_bytes if known else None


def _all_memory(machine: Machine) -> int | None:
    if machine.memory.total_bytes is not None:
        return machine.memory.total_bytes
    totals = [node.total_bytes for node in machine.memory.nodes.values()]
    known = [total for total in totals if total is not None]
    return sum(known) if known and len(known) == len(totals) else None


def _too_many(machine: Machine, spreads: Sequence[_Spread], memory_for_host: int | None) -> Iterator[Refusal]:
    """Yield where the host would have too little left: as a whole, and node by node."""
    asked: dict[int | None, int] = {}
    for spread in spreads:
        for node, count in spread.pages.items():
            asked[node] = asked.get(node, 0) + count * spread.request.size_kb * 1024
    if not asked:
        return
    total = _all_memory(machine)
    wanted = sum(asked.values())
    if total is None:
        yield refuse(
            "hugepages_exceed_memory", f"{size_text(wanted)} are wanted; how much memory there is can't be told"
        )
        return
    least = max(HOST_LEAST, total // HOST_SHARE) if memory_for_host is None else memory_for_host
    if wanted > total - least:
        rule = "" if memory_for_host is not None else " (an eighth, and no less than 2 GiB)"
        seen = f"{size_text(wanted)} are wanted of {size_text(total)}, and {size_text(least)}{rule} are the host's"
        yield refuse("hugepages_exceed_memory", seen)
        if len(machine.memory.nodes) < 2:
            return
    for node, amount in asked.items():
        there = _total(machine, node)
        if node is None or (there is not None and amount <= there - there // NODE_SHARE):
            continue
        holds = "how much it has can't be told" if there is None else f"it has {size_text(there)}"
        seen = f"{size_text(amount)} are wanted on node {node}, and {holds}, a sixteenth of which stays free"
        yield refuse("hugepages_exceed_memory", seen)


def _arguments(machine: Machine, spreads: Sequence[_Spread]) -> tuple[tuple[str, ...], list[Refusal]]:
    """Return a unit for each size, and why old kernels would not understand it."""
    by_size: dict[int, dict[int | None, int]] = {}
    for spread in spreads:
        by_size.setdefault(spread.request.size_kb, {}).update(spread.pages)
    units, refusals = [], []
    old = _kernels_without_nodes(machine)
    for size in sorted(by_size, reverse=True):
        pages = by_size[size]
        name = page_size_text(size)
        if None in pages or list(pages) == _with_memory(machine) == [*pages][:1]:
            count = str(sum(pages.values()))
        else:
            count = ",".join(f"{node}:{pages[node]}" for node in sorted(node for node in pages if node is not None))
            if old:
                seen = f"Huge pages of {name} are wanted by node, which Linux 5.16 and later know: {', '.join(old)}"
                refusals.append(refuse("hugepages_need_newer_kernel", seen))
        units.append(f"hugepagesz={name} hugepages={count}")
    return tuple(units), refusals


def _kernels_without_nodes(machine: Machine) -> list[str]:
    """Return the installed kernels, or failing those the running one, that are older than counts per node."""
    installed = [kernel.version for kernel in machine.boot.kernels]
    versions = installed or [version for version in [machine.boot.running.version] if version is not None]
    old = []
    for version in versions:
        match = re.match(r"([0-9]{1,4})[.]([0-9]{1,4})", version)
        if match and (int(match.group(1)), int(match.group(2))) < _PER_NODE_SINCE:
            old.append(version)
    return old


def _counts(spreads: Sequence[_Spread], at: str) -> Iterator[RuntimePages]:
    for spread in spreads:
        if spread.at == at:
            for node, count in spread.pages.items():
                yield RuntimePages(node, spread.request.size_kb, count)
