# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The huge pages that requests result in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Memory
from ansible_collections.vfio.workstation.plugins.module_utils._machine.cmdline import units
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import HugePagesRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import RuntimePages
from ansible_collections.vfio.workstation.plugins.module_utils._plan.hugepages import HugePagesResult, plan_hugepages
from ansible_collections.vfio.workstation.tests.machines.values import GIB, machine, memory

BIG, SMALL = 1 << 20, 2048
OLD, NEW = "5.15.0-91-generic", "6.12.43-amd64"


def planned(
    host_memory: Memory,
    *requests: HugePagesRequest,
    near: tuple[int, ...] = (),
    least: int | None = None,
    **changes: Any,
) -> HugePagesResult:
    return plan_hugepages(machine(memory=host_memory, **changes), requests, near, least)


@pytest.mark.parametrize(
    ("host_memory", "near", "pages", "arguments", "runtime"),
    [
        (memory(32), (), HugePagesRequest(BIG, 16), "hugepagesz=1G hugepages=16", ()),
        (memory(32), (), HugePagesRequest(SMALL, 512), "", (RuntimePages(0, SMALL, 512),)),
        # More than half of a node's memory is allocated at boot.
        (memory(32), (), HugePagesRequest(SMALL, 10240), "hugepagesz=2M hugepages=10240", ()),
        (memory(32), (), HugePagesRequest(SMALL, 512, at="boot"), "hugepagesz=2M hugepages=512", ()),
        (memory(32), (), HugePagesRequest(BIG, 2, at="run"), "", (RuntimePages(0, BIG, 2),)),
        (memory(32), (), HugePagesRequest(BIG, 2, nodes=(0,)), "hugepagesz=1G hugepages=2", ()),
        (memory(32, 32), (1,), HugePagesRequest(BIG, 16), "hugepagesz=1G hugepages=1:16", ()),
        (memory(32, 32), (1, 0), HugePagesRequest(BIG, 5), "hugepagesz=1G hugepages=0:2,1:3", ()),
        (memory(32, 32), (), HugePagesRequest(BIG, 8, nodes=(0, 1)), "hugepagesz=1G hugepages=0:4,1:4", ()),
        (memory(32, 32), (1,), HugePagesRequest(BIG, 8, nodes=None), "hugepagesz=1G hugepages=8", ()),
        (memory(32, 32), (1,), HugePagesRequest(SMALL, 8, nodes=None), "", (RuntimePages(None, SMALL, 8),)),
        (memory(32, 32), (1,), HugePagesRequest(SMALL, 8), "", (RuntimePages(1, SMALL, 8),)),
        (memory(32, 32), (), HugePagesRequest(BIG, 8), "hugepagesz=1G hugepages=0:8", ()),
        # The first node has no memory, so that the other one is the only node.
        (memory(0, 32), (0,), HugePagesRequest(BIG, 8), "hugepagesz=1G hugepages=8", ()),
        (memory(32, first=1), (), HugePagesRequest(BIG, 8), "hugepagesz=1G hugepages=8", ()),
    ],
)
def test_plans(
    host_memory: Memory,
    near: tuple[int, ...],
    pages: HugePagesRequest,
    arguments: str,
    runtime: tuple[RuntimePages, ...],
) -> None:
    result = planned(host_memory, pages, near=near)
    assert result.refusals == ()
    assert " ".join(result.plan.arguments) == arguments
    assert result.plan.runtime == runtime
    assert sum(allocated.pages for allocated in (*result.plan.at_boot, *result.plan.runtime)) == pages.pages


@pytest.mark.parametrize(
    ("host_memory", "requests", "code", "seen"),
    [
        (memory(32, pools=(SMALL,)), [HugePagesRequest(BIG, 1)], "hugepage_size_unsupported", "these sizes: 2M"),
        (memory(32, pools=()), [HugePagesRequest(SMALL, 1)], "hugepage_size_unsupported", "none"),
        (memory(32), [HugePagesRequest(BIG, 29)], "hugepages_exceed_memory", "4 GiB (an eighth"),
        (memory(8), [HugePagesRequest(BIG, 7)], "hugepages_exceed_memory", "2 GiB (an eighth"),
        (memory(32, 32), [HugePagesRequest(BIG, 31, (1,))], "hugepages_exceed_memory", "on node 1"),
        (memory(32, 0), [HugePagesRequest(BIG, 1, (1,))], "hugepages_exceed_memory", "on node 1"),
        (
            memory(32),
            [HugePagesRequest(BIG, 14), HugePagesRequest(SMALL, 8192)],
            "hugepages_exceed_memory",
            "30 GiB of 32 GiB are requested",
        ),
        (memory(32, 32), [HugePagesRequest(BIG, 1, (0, 3))], "memory_node_unknown", "node 3"),
        (memory(32)._replace(total_bytes=None), [HugePagesRequest(BIG, 29)], "hugepages_exceed_memory", "32 GiB"),
    ],
)
def test_refused(host_memory: Memory, requests: list[HugePagesRequest], code: str, seen: str) -> None:
    (refusal,) = planned(host_memory, *requests).refusals
    assert refusal.code == code
    assert seen in refusal.seen


def test_all_mistakes_are_reported_at_once() -> None:
    requests = [HugePagesRequest(16 << 20, 1), HugePagesRequest(BIG, 1, (7,)), HugePagesRequest(BIG, 31)]
    codes = [refusal.code for refusal in planned(memory(32), *requests).refusals]
    assert codes == ["hugepage_size_unsupported", "memory_node_unknown", "hugepages_exceed_memory"]


def test_the_memory_for_the_host_can_be_set() -> None:
    assert planned(memory(8), HugePagesRequest(BIG, 7), least=GIB).refusals == ()
    assert planned(memory(8), HugePagesRequest(BIG, 7), least=2 * GIB).refusals
    # A part of each node stays free in any case.
    assert planned(memory(8, 8), HugePagesRequest(BIG, 8, (1,)), least=0).refusals


def test_unknown_memory_is_refused() -> None:
    known = memory(32)
    unknown = known._replace(total_bytes=None, nodes={"0": known.nodes["0"]._replace(total_bytes=None)})
    (refusal,) = planned(unknown, HugePagesRequest(BIG, 1)).refusals
    assert (refusal.code, "is unknown" in refusal.seen) == ("hugepages_exceed_memory", True)


def test_counts_per_node_need_a_new_kernel() -> None:
    pages = HugePagesRequest(BIG, 4, (1,))
    (refusal,) = planned(memory(32, 32), pages, kernels=(NEW, OLD)).refusals
    assert refusal.code == "hugepages_need_newer_kernel"
    assert OLD in refusal.seen
    assert NEW not in refusal.seen
    assert planned(memory(32, 32), pages, kernels=(NEW,)).refusals == ()
    assert planned(memory(32, 32), pages._replace(nodes=None), kernels=(OLD,)).refusals == ()
    assert planned(memory(32), pages._replace(nodes=(0,)), kernels=(OLD,)).refusals == ()
    assert (
        planned(memory(32, 32), HugePagesRequest(SMALL, 4, (1,)), kernels=(OLD,)).refusals == ()
    )  # sysfs has always had counts per node


def test_sizes_are_sorted_and_nodes_of_one_size_are_merged() -> None:
    requests = [HugePagesRequest(SMALL, 4, at="boot"), HugePagesRequest(BIG, 8, (0,)), HugePagesRequest(BIG, 2, (1,))]
    plan = planned(memory(32, 32), *requests, near=(1,)).plan
    assert plan.arguments == ("hugepagesz=1G hugepages=0:8,1:2", "hugepagesz=2M hugepages=1:4")
    assert units(plan.arguments) == plan.arguments


def test_a_default_node_is_reported() -> None:
    assert "node 0" in planned(memory(32, 32), HugePagesRequest(BIG, 8)).notes[0]
    assert planned(memory(32, 32), HugePagesRequest(BIG, 8), near=(1,)).notes == ()


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 64), min_size=1, max_size=4),
    st.lists(
        st.builds(
            HugePagesRequest,
            size_kb=st.sampled_from([BIG, SMALL, 64]),
            pages=st.integers(1, 40000),
            nodes=st.just("auto") | st.none() | st.lists(st.integers(0, 4), min_size=1, unique=True).map(tuple),
            at=st.sampled_from(["auto", "boot", "run"]),
        ),
        max_size=3,
        unique_by=lambda pages: pages.size_kb,
    ),
    st.lists(st.integers(0, 4), max_size=2).map(tuple),
)
def test_any_plan_has_all_requested_pages_and_fits(
    sizes: list[int], requests: list[HugePagesRequest], near: tuple[int, ...]
) -> None:
    host_memory = memory(*sizes)
    result = planned(host_memory, *requests, near=near)
    assert planned(host_memory, *requests, near=near) == result
    if result.refusals:
        return
    placed = (*result.plan.at_boot, *result.plan.runtime)
    for request in requests:
        assert sum(pages.pages for pages in placed if pages.size_kb == request.size_kb) == request.pages
    amount = sum(pages.pages * pages.size_kb * 1024 for pages in placed)
    assert not placed or amount <= sum(sizes) * GIB - 2 * GIB
    for number, size in enumerate(sizes):
        on_node = sum(pages.pages * pages.size_kb * 1024 for pages in placed if pages.node == number)
        assert on_node <= size * GIB * 15 // 16
