# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPUs for guests that a request results in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Cpus
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import CpuIsolationRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.cpus import CpuResult, host_core, plan_cpus
from ansible_collections.vfio.workstation.plugins.module_utils._plan.notation import numbers_text
from ansible_collections.vfio.workstation.tests.machines.values import cores, machine

ONE_CACHE = [{"count": 8}]
X3D = [{"count": 8, "size": 96 << 20}, {"count": 8, "size": 32 << 20}]
LIKE_CACHES = [{"count": 4}, {"count": 4}]
HYBRID = [
    {"count": 6, "kind": "performance"},
    {"count": 8, "threads": 1, "kind": "efficiency", "l3": False},
    {"count": 2, "threads": 1, "kind": "efficiency", "l3": False},
]
TWO_NODES = [{"count": 4, "node": 0}, {"count": 4, "node": 0}, {"count": 4, "node": 1}, {"count": 4, "node": 1}]
NO_CACHES = [{"count": 4, "l3": False, "threads": 1}]


def planned(cpus_: Cpus, near: tuple[int, ...] = (), **options: Any) -> CpuResult:
    return plan_cpus(machine(cpus=cpus_), CpuIsolationRequest(**options), near)


@pytest.mark.parametrize(
    ("clusters", "near", "options", "expected"),
    [
        (ONE_CACHE, (), {}, "4-15"),  # two whole cores are reserved for the host
        (ONE_CACHE, (), {"keep_for_host": 1}, "2-15"),
        (ONE_CACHE, (), {"keep_for_host": 7}, "14-15"),
        (ONE_CACHE, (), {"cores": 2}, "12-15"),
        (X3D, (), {}, "2-15"),  # the larger cache except CPU 0's core; the host's second core is in the other cache
        (X3D, (), {"cores": 6}, "4-15"),
        (X3D, (), {"cores": 8}, "16-31"),  # only the smaller cache has that many cores available
        (X3D, (), {"cores": 10}, "12-31"),
        (LIKE_CACHES, (), {}, "8-15"),  # the cache without the host's core
        (LIKE_CACHES, (), {"cores": 3}, "10-15"),
        (LIKE_CACHES, (), {"keep_for_host": 6}, "12-15"),
        (HYBRID, (), {}, "2-11"),  # performance cores only; the efficiency cores stay with the host
        (HYBRID, (), {"cores": 7}, "2-11,20-21"),  # efficiency cores once there are no more performance cores
        (TWO_NODES, (), {}, "8-15"),
        (TWO_NODES, (1,), {}, "16-23"),
        (TWO_NODES, (1, 0), {"cores": 6}, "16-23,28-31"),
        (TWO_NODES, (0,), {"cores": 6}, "4-15"),
        (TWO_NODES, (), {"cores": 8}, "16-31"),  # all on one node, not spread over two
        (TWO_NODES, (7,), {}, "8-15"),  # a node without cores is ignored
        (NO_CACHES, (), {}, "2-3"),
        ([{"count": 2, "threads": 1}], (), {}, "1"),
        ([{"count": 3}], (), {}, "2-5"),
    ],
)
def test_auto(clusters: list[dict[str, Any]], near: tuple[int, ...], options: dict[str, Any], expected: str) -> None:
    result = planned(cores(clusters), near, **options)
    assert result.refusals == ()
    assert result.plan is not None
    assert numbers_text(result.plan.guests) == expected


@pytest.mark.parametrize(
    ("clusters", "near", "options", "code", "seen"),
    [
        ([{"count": 1}], (), {}, "cpus_leave_none_for_host", "1 core"),
        (ONE_CACHE, (), {"keep_for_host": 8}, "cpus_leave_none_for_host", "8 cores"),
        (ONE_CACHE, (), {"cores": 7}, "cpus_too_few", "host: 6 cores"),
        (TWO_NODES, (1,), {"cores": 9}, "cpus_too_few", "node 1"),
        ([{"count": 1, "node": 0}, {"count": 4, "node": 1}], (0,), {}, "cpus_too_few", "Node 0"),
        (ONE_CACHE, (), {"cpus": (4, 5, 99)}, "cpus_unknown", "99"),
        (ONE_CACHE, (), {"cpus": (4, 5, 6)}, "cpus_split_core", "The list has CPU 6, but not CPU 7 of the same core"),
        (ONE_CACHE, (), {"cpus": (0, 1)}, "cpus_leave_none_for_host", "CPUs 0-1"),
        (ONE_CACHE, (), {"cpus": (2, 3, 4, 5), "keep_for_host": 7}, "cpus_leave_none_for_host", "6 of 8"),
    ],
)
def test_refused(
    clusters: list[dict[str, Any]], near: tuple[int, ...], options: dict[str, Any], code: str, seen: str
) -> None:
    (refusal,) = planned(cores(clusters), near, **options).refusals
    assert refusal.code == code
    assert seen in refusal.seen


def test_unknown_topology_is_not_guessed() -> None:
    whole = cores(ONE_CACHE)
    for cpus in (whole._replace(online=None), whole._replace(cores=())):
        assert [refusal.code for refusal in planned(cpus).refusals] == ["cpus_unknown"]
    without_siblings = whole._replace(cores=whole.cores[:-1])
    assert [refusal.code for refusal in planned(without_siblings, cpus=(14, 15)).refusals] == ["cpus_unknown"]
    result = planned(without_siblings)
    assert result.plan is not None
    assert not {14, 15}.intersection(result.plan.guests)


def test_without_cpu_0_the_lowest_core_stays_with_the_host() -> None:
    cpus = cores(ONE_CACHE)
    first, *rest = cpus.cores
    without = cpus._replace(online=tuple(range(2, 16)), offline=first.cpus, cores=tuple(rest))
    assert [refusal.code for refusal in planned(without, cpus=(2, 3)).refusals] == ["cpus_leave_none_for_host"]
    assert planned(without, cpus=(4, 5)).refusals == ()


def test_a_list_is_used_unchanged() -> None:
    result = planned(cores(ONE_CACHE), cpus=(4, 5, 8, 9), mode="boot")
    assert result.refusals == ()
    assert result.plan is not None
    assert (result.plan.guests, len(result.plan.host)) == ((4, 5, 8, 9), 12)
    assert result.plan.arguments == ("isolcpus=domain,managed_irq,4-5,8-9", "nohz_full=4-5,8-9", "rcu_nocbs=4-5,8-9")


def test_dynamic_mode_needs_no_arguments_and_an_empty_list_reserves_nothing() -> None:
    dynamic = planned(cores(ONE_CACHE)).plan
    nothing = planned(cores(ONE_CACHE), cpus=(), mode="boot").plan
    assert dynamic is not None
    assert nothing is not None
    assert dynamic.arguments == nothing.arguments == nothing.guests == ()
    assert nothing.host == tuple(range(16))


@pytest.mark.parametrize(
    ("clusters", "near", "cpus", "what", "left"),
    [
        (ONE_CACHE, (), "4-15", "6 whole cores, in the only L3 cache of 32 MiB", "2 cores, CPUs 0-1"),
        (
            TWO_NODES,
            (1,),
            "16-23",
            "4 whole cores, in one L3 cache of 32 MiB, on the devices' node 1",
            "12 cores, CPUs 0-1",
        ),
        (HYBRID, (), "2-11", "5 whole performance cores, in the only L3 cache of 32 MiB", "11 cores, CPUs 0-1"),
        (NO_CACHES, (), "2-3", "2 whole cores", "2 cores, CPU 0"),
    ],
)
def test_reasons(clusters: list[dict[str, Any]], near: tuple[int, ...], cpus: str, what: str, left: str) -> None:
    plan = planned(cores(clusters), near).plan
    assert plan is not None
    assert plan.reason == f"CPUs {cpus} are for guests: {what}, and the host keeps {left} among them."


CLUSTERS = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.integers(1, 6),
            "threads": st.integers(1, 4),
            "node": st.integers(0, 2),
            "l3": st.booleans(),
            "size": st.sampled_from([None, 16 << 20, 32 << 20, 96 << 20]),
            "kind": st.sampled_from([None, "performance", "efficiency"]),
        }
    ),
    min_size=1,
    max_size=5,
)
REQUESTS = st.builds(
    CpuIsolationRequest,
    cpus=st.just("auto") | st.frozensets(st.integers(0, 40)).map(lambda numbers: tuple(sorted(numbers))),
    keep_for_host=st.none() | st.integers(1, 8),
    cores=st.none() | st.integers(1, 12),
    mode=st.sampled_from(["dynamic", "boot"]),
)


@settings(deadline=None)
@given(CLUSTERS, REQUESTS, st.lists(st.integers(0, 3), max_size=2).map(tuple), st.randoms())
def test_any_plan_gives_whole_cores_to_host_and_guests(
    clusters: list[dict[str, Any]], isolation: CpuIsolationRequest, near: tuple[int, ...], random: Any
) -> None:
    host = machine(cpus=cores(clusters))
    result = plan_cpus(host, isolation, near)
    assert plan_cpus(host, isolation, near) == result
    if result.refusals:
        return
    assert result.plan is not None
    guests = set(result.plan.guests)
    for core in host.cpus.cores:
        assert guests.issuperset(core.cpus) or not guests.intersection(core.cpus)
    assert sorted((*result.plan.guests, *result.plan.host)) == list(host.cpus.online or ())
    if not guests:
        assert isolation.cpus == ()
        return
    assert not guests.intersection(host_core(host).cpus)
    left = [core for core in host.cpus.cores if not guests.intersection(core.cpus)]
    assert len(left) >= (isolation.keep_for_host or 1)
    if isolation.cpus == "auto":
        assert isolation.cores in (None, len(host.cpus.cores) - len(left))
        nodes = {core.node for core in host.cpus.cores}
        if nodes.intersection(near):
            assert {core.node for core in host.cpus.cores if guests.intersection(core.cpus)} <= set(near)
        # The order in which the kernel lists cores does not matter.
        shuffled = list(host.cpus.cores)
        random.shuffle(shuffled)
        assert plan_cpus(host._replace(cpus=host.cpus._replace(cores=tuple(shuffled))), isolation, near) == result


@settings(deadline=None)
@given(CLUSTERS, st.integers(1, 12))
def test_slow_cores_come_after_all_fast_ones(clusters: list[dict[str, Any]], count: int) -> None:
    host = machine(cpus=cores(clusters))
    result = plan_cpus(host, CpuIsolationRequest(keep_for_host=1, cores=count), ())
    if result.plan is None:
        return
    taken = [core for core in host.cpus.cores if set(core.cpus) <= set(result.plan.guests)]
    left = [core for core in host.cpus.cores if core not in taken and core != host_core(host)]
    if any(core.kind == "efficiency" for core in taken):
        assert all(core.kind == "efficiency" for core in left)
