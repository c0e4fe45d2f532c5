# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The huge pages that requests result in, allocated at boot or in the running system, or why they are refused.

Source: Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, MemoryNode
from .._machine.desired import AT_BOOT, AT_RUN, AUTO, HugePagesRequest
from .._machine.host_plan import HugePagesPlan, RuntimePages
from .._machine.plan import Refusal
from .notation import numbers_text, page_size_text, size_text
from .refusals import refuse

#: Memory that is left for the host unless memory_for_host is set: 1/8 of all memory, but at least 2 GiB.
#: The rule is our own: between the 4 GiB that Nova reserves on a dedicated host, and the 1 GiB that a small desktop
#: needs to start. The page cache, the desktop, and some hundred MiB for each QEMU process use this memory.
HOST_SHARE, HOST_LEAST = 8, 2 << 30
#: 1/16 of the memory of each node must stay free in any case: the kernel's tables and buffers are node-local.
NODE_SHARE = 16
#: The buddy allocator has pages up to this size in the running system (x86: order 10, 4 MiB). Larger ones need
#: contiguous memory, which is only certain at boot.
_LARGEST_AT_RUN_KB = 4096
#: Used memory is fragmented: more than 1/2 of a node's memory is allocated at boot, whatever the size of the pages.
_RUN_PART = 2
#: From Linux 5.16 on the command line can have counts per node (commit b5389086ad7b, November 2021); older kernels read
#: the node as the count (hugepages_setup() in mm/hugetlb.c).
_PER_NODE_SINCE = (5, 16)


class HugePagesResult(NamedTuple):
    """The plan, the reasons to refuse it, and notes for the user."""

    plan: HugePagesPlan
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


class _Spread(NamedTuple):
    """A request, and its pages by node."""

    request: HugePagesRequest
    pages: dict[int | None, int]  # None: the kernel chooses the node
    at: str


def plan_hugepages(
    machine: Machine, requests: Sequence[HugePagesRequest], near: Sequence[int], memory_for_host: int | None = None
) -> HugePagesResult:
    """Return the huge pages to allocate.

    Args:
        machine: The machine.
        requests: The requests, one for each page size or set of nodes.
        near: Nodes of the guests' devices and CPUs, the most important first.
        memory_for_host: Bytes to leave for the host; None: HOST_SHARE and HOST_LEAST apply.
    """
    refusals = [*_unsupported(machine, requests), *_unknown_nodes(machine, requests)]
    notes: list[str] = []
    spreads = []
    sizes = sizes_kb(machine)
    # The valid requests are checked against the memory too, so that all mistakes are reported at once.
    for request in requests:
        if request.size_kb not in sizes or _missing_nodes(machine, request):
            continue
        nodes, node_notes = _nodes(machine, request, near)
        notes.extend(node_notes)
        pages = _spread(request.pages, nodes)
        spreads.append(_Spread(request, pages, _when(machine, request, pages)))
    refusals.extend(_too_many(machine, spreads, memory_for_host))
    arguments, kernel_refusals = _arguments(machine, [spread for spread in spreads if spread.at == AT_BOOT])
    refusals.extend(kernel_refusals)
    plan = HugePagesPlan(arguments, tuple(_counts(spreads, AT_BOOT)), tuple(_counts(spreads, AT_RUN)))
    return HugePagesResult(plan, tuple(refusals), tuple(notes))


def sizes_kb(machine: Machine) -> tuple[int, ...]:
    """Return the page sizes that the machine supports, in kB."""
    return tuple(sorted({int(size) for node in machine.memory.nodes.values() for size in node.hugepages}))


def _unsupported(machine: Machine, requests: Sequence[HugePagesRequest]) -> Iterator[Refusal]:
    sizes = sizes_kb(machine)
    supported = ", ".join(map(page_size_text, sizes)) or "none (there is no /sys/kernel/mm/hugepages)"
    for request in requests:
        if request.size_kb not in sizes:
            size = page_size_text(request.size_kb)
            seen = f"Huge pages of {size} are requested, but the machine only supports these sizes: {supported}"
            yield refuse("hugepage_size_unsupported", seen)


def _unknown_nodes(machine: Machine, requests: Sequence[HugePagesRequest]) -> Iterator[Refusal]:
    existing = ", ".join(machine.memory.nodes) or "none"
    for request in requests:
        missing = _missing_nodes(machine, request)
        if missing:
            seen = f"Huge pages are requested on node {numbers_text(missing)}; nodes of the machine: {existing}"
            yield refuse("memory_node_unknown", seen)


def _missing_nodes(machine: Machine, request: HugePagesRequest) -> list[int]:
    """Return the requested nodes that the machine does not have."""
    named = request.nodes if isinstance(request.nodes, tuple) else ()
    return [node for node in named if str(node) not in machine.memory.nodes]


def _with_memory(machine: Machine) -> list[int]:
    return [int(number) for number, node in machine.memory.nodes.items() if node.total_bytes != 0]


def _nodes(machine: Machine, request: HugePagesRequest, near: Sequence[int]) -> tuple[list[int | None], list[str]]:
    """Return the nodes for a request (None: the kernel chooses), and notes on the choice."""
    if request.nodes is None:
        return [None], []
    if isinstance(request.nodes, tuple):
        return list(request.nodes), []
    usable = _with_memory(machine)
    chosen: list[int | None] = [node for node in dict.fromkeys(near) if node in usable]
    if chosen or len(usable) < 2:
        return chosen or [*usable[:1]] or [None], []
    # No node is preferred: choose one that has CPUs, as memory on two nodes costs a guest more than it gains.
    with_cpus = [node for node in usable if machine.memory.nodes[str(node)].cpus]
    node = (with_cpus or usable)[0]
    size = page_size_text(request.size_kb)
    return [node], [
        f"Huge pages of {size} are allocated on node {node}: no device or CPU of a guest determines the node"
    ]


def _spread(count: int, nodes: Sequence[int | None]) -> dict[int | None, int]:
    """Return pages by node, distributed evenly; the first nodes get the remainder."""
    each, remainder = divmod(count, len(nodes))
    pages = {node: each + (position < remainder) for position, node in enumerate(nodes)}
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
    memory_node: MemoryNode | None = machine.memory.nodes.get(str(node))
    return memory_node.total_bytes if memory_node else None


def _all_memory(machine: Machine) -> int | None:
    if machine.memory.total_bytes is not None:
        return machine.memory.total_bytes
    totals = [node.total_bytes for node in machine.memory.nodes.values()]
    known = [total for total in totals if total is not None]
    return sum(known) if known and len(known) == len(totals) else None


def _bytes_by_node(spreads: Sequence[_Spread]) -> dict[int | None, int]:
    bytes_by_node: dict[int | None, int] = {}
    for spread in spreads:
        for node, count in spread.pages.items():
            bytes_by_node[node] = bytes_by_node.get(node, 0) + count * spread.request.size_kb * 1024
    return bytes_by_node


def _too_many(machine: Machine, spreads: Sequence[_Spread], memory_for_host: int | None) -> Iterator[Refusal]:
    """Yield a refusal if too little memory is left for the host: for the machine, and for each node."""
    bytes_by_node = _bytes_by_node(spreads)
    if not bytes_by_node:
        return
    total = _all_memory(machine)
    requested = sum(bytes_by_node.values())
    if total is None:
        seen = f"{size_text(requested)} are requested, but the machine's amount of memory is unknown"
        yield refuse("hugepages_exceed_memory", seen)
        return
    least = max(HOST_LEAST, total // HOST_SHARE) if memory_for_host is None else memory_for_host
    if requested > total - least:
        rule = "" if memory_for_host is not None else " (an eighth, but at least 2 GiB)"
        seen = (
            f"{size_text(requested)} of {size_text(total)} are requested, but the host needs {size_text(least)}{rule}"
        )
        yield refuse("hugepages_exceed_memory", seen)
        if len(machine.memory.nodes) < 2:
            return
    yield from _too_many_on_nodes(machine, bytes_by_node)


def _too_many_on_nodes(machine: Machine, bytes_by_node: Mapping[int | None, int]) -> Iterator[Refusal]:
    for node, amount in bytes_by_node.items():
        node_total = _total(machine, node)
        if node is None or (node_total is not None and amount <= node_total - node_total // NODE_SHARE):
            continue
        if node_total is None:
            reason = "whose amount of memory is unknown"
        else:
            reason = f"which has {size_text(node_total)}, a sixteenth of which must stay free"
        yield refuse("hugepages_exceed_memory", f"{size_text(amount)} are requested on node {node}, {reason}")


def _arguments(machine: Machine, spreads: Sequence[_Spread]) -> tuple[tuple[str, ...], list[Refusal]]:
    """Return an argument unit for each page size, and a refusal if installed kernels are too old for it."""
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
                versions = ", ".join(old)
                seen = f"Huge pages of {name} are requested per node, which needs Linux 5.16; older kernels: {versions}"
                refusals.append(refuse("hugepages_need_newer_kernel", seen))
        units.append(f"hugepagesz={name} hugepages={count}")
    return tuple(units), refusals


def _kernels_without_nodes(machine: Machine) -> list[str]:
    """Return the installed kernels (if none is known, the running one) that do not support counts per node."""
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
