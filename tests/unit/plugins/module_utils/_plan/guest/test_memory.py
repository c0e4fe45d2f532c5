# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory of a guest: pages, nodes and cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import HugePages, Machine, MemoryNode
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import GuestRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.cpu import CpuLayout, plan_cpus
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.memory import (
    MemoryLayout,
    cells,
    memory_settings,
    plan_memory,
)
from ansible_collections.vfio.workstation.tests.guests.hosts import host_of
from ansible_collections.vfio.workstation.tests.machines.values import GIB, cores, machine, memory

G, M = 1 << 20, 2048  # page sizes in kB
ONE_NODE = [{"count": 8}]
TWO_NODES = [{"count": 4, "node": 0}, {"count": 4, "node": 1}]


def host_with(clusters: list[dict[str, Any]], *pools: Mapping[int, int]) -> Machine:
    """Return a machine whose nodes have these pools: pages by their size in kB."""
    sizes = memory(*(64 for _pool in pools))
    nodes = {
        str(number): MemoryNode(64 * GIB, (), {str(size): HugePages(count, count, 0) for size, count in pool.items()})
        for number, pool in enumerate(pools)
    }
    return machine(cpus=cores(clusters), memory=sizes._replace(nodes=nodes))


def planned(host: Machine, cpus: range, requested: int | None = None) -> tuple[CpuLayout, Any]:
    request = GuestRequest("g", memory_bytes=requested)
    vcpus = plan_cpus(host, HostRecord(cpus=tuple(cpus)), request, host_of(host).files)
    assert isinstance(vcpus, CpuLayout)
    return vcpus, plan_memory(host, request, vcpus)


@pytest.mark.parametrize(
    ("pool", "requested", "page", "total"),
    [
        ({G: 16}, None, G, 16 * GIB),
        ({G: 16}, 8 * GIB, G, 8 * GIB),
        ({G: 16, M: 1024}, None, G, 16 * GIB),  # the largest pages by default
        ({G: 4, M: 4096}, 8 * GIB, M, 8 * GIB),  # the pages that there are enough of
        ({G: 16, M: 4096}, 3 * GIB // 2, M, 3 * GIB // 2),  # the pages that it is a multiple of
        ({G: 0, M: 512}, None, M, GIB),
    ],
)
def test_pages(pool: dict[int, int], requested: int | None, page: int, total: int) -> None:
    _vcpus, result = planned(host_with(ONE_NODE, pool), range(4, 16), requested)
    assert isinstance(result, MemoryLayout)
    assert (result.page_kb, result.total, dict(result.by_node), result.strict) == (page, total, {0: total}, False)


def test_pages_of_the_node_of_the_vcpus() -> None:
    host = host_with(TWO_NODES, {G: 4}, {G: 16})
    vcpus, result = planned(host, range(8, 16))
    assert dict(result.by_node) == {1: 16 * GIB}
    texts = [render(setting.element) for setting in memory_settings(result) if setting.parent == ("numatune",)]
    assert texts == ["<memory mode='strict' nodeset='1'/>\n"]
    assert cells(vcpus, result) is None


def test_a_node_for_each_node() -> None:
    host = host_with(TWO_NODES, {G: 8}, {G: 16})
    vcpus, result = planned(host, range(2, 16))
    assert dict(result.by_node) == {0: 8 * GIB, 1: 16 * GIB}
    numa = cells(vcpus, result)
    assert numa is not None
    assert render(numa) == (
        "<numa>\n"
        "  <cell id='0' cpus='0-5' memory='8388608' unit='KiB'/>\n"
        "  <cell id='1' cpus='6-13' memory='16777216' unit='KiB'/>\n"
        "</numa>\n"
    )
    tune = [setting.element for setting in memory_settings(result) if setting.parent == ("numatune",)]
    assert [(part.name, part.get("cellid"), part.get("nodeset")) for part in tune] == [
        ("memory", None, "0-1"),
        ("memnode", "0", "0"),
        ("memnode", "1", "1"),
    ]


def test_requested_memory_is_spread_by_vcpus() -> None:
    _vcpus, result = planned(host_with(TWO_NODES, {G: 8}, {G: 16}), range(4, 16), 10 * GIB)
    assert dict(result.by_node) == {0: 4 * GIB, 1: 6 * GIB}  # 4 and 8 vCPUs; the rest of the pages is the first node's


@pytest.mark.parametrize(
    ("pools", "cpus", "requested", "seen"),
    [
        ([{G: 16}], range(4, 16), 17 * GIB, "17 GiB are requested of node 0, which has 16 GiB in pages of 1G"),
        ([{G: 16}], range(4, 16), GIB + (2 << 20), "1.002 GiB is not a whole number of pages of 1G"),
        ([{G: 4}, {G: 2}], range(2, 16), 5 * GIB, "3 GiB are requested of node 0"),
        ([{G: 0}], range(4, 16), None, "no huge pages are allocated on node 0"),
        ([{G: 0}, {G: 8}], range(2, 8), 4 * GIB, "no huge pages are allocated on node 0"),
        ([{G: 0}], range(4, 16), 64 * GIB, "64 GiB are requested, and the host has 64 GiB"),
    ],
)
def test_refused(pools: list[dict[int, int]], cpus: range, requested: int | None, seen: str) -> None:
    clusters = TWO_NODES if len(pools) > 1 else ONE_NODE
    host = host_with(clusters, *pools)
    if seen.startswith("3 GiB"):
        host = host_with(clusters, {G: 2}, {G: 4})
    _vcpus, result = planned(host, cpus, requested)
    (refusal,) = result
    assert refusal.code == "guest_memory_exceeds_pages"
    assert seen in refusal.seen


def test_ordinary_memory_where_no_pages_are_requested_of_the_host() -> None:
    _vcpus, result = planned(host_with(ONE_NODE, {G: 0, M: 0}), range(4, 16), 8 * GIB)
    assert (result.page_kb, result.total) == (None, 8 * GIB)
    assert result.notes == ("the host has no huge pages: the guest is on ordinary memory, which costs speed",)
    assert "hugepages" not in [setting.key.name for setting in memory_settings(result)]
