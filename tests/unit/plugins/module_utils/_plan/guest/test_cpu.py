# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vCPUs of a guest: pins and topology."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Cpus
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    QEMU,
    WINDOWS11,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import Element, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.cpu import (
    CpuLayout,
    cpu_settings,
    plan_cpus,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.notation import parse_numbers
from ansible_collections.vfio.workstation.tests.guests.hosts import host_of
from ansible_collections.vfio.workstation.tests.machines.values import cores, machine

ONE_CACHE = [{"count": 8}]
FOUR_CACHES = [{"count": 4}, {"count": 4}, {"count": 4}, {"count": 4}]
HYBRID = [{"count": 4, "kind": "performance"}, {"count": 8, "threads": 1, "kind": "efficiency", "l3": False}]


def packages(*clusters: dict[str, Any]) -> Cpus:
    """Return CPUs whose clusters are packages of their own."""
    cpus = cores([{**cluster, "node": number} for number, cluster in enumerate(clusters)])
    return cpus._replace(cores=tuple(core._replace(package=core.node) for core in cpus.cores))


def planned(cpus: Cpus, kept: str, named: str | None = None, vendor: str = "amd", **changes: Any) -> Any:
    base = machine(cpus=cpus)
    host = host_of(base._replace(cpu=base.cpu._replace(vendor=vendor)), HostRecord(cpus=parse_numbers(kept) or ()))
    request = GuestRequest("g", LINUX, cpus=parse_numbers(named) if named else None, **changes)
    return plan_cpus(host.machine, host.record, request, host.files)


def layout(*arguments: Any, **changes: Any) -> CpuLayout:
    result = planned(*arguments, **changes)
    assert isinstance(result, CpuLayout), result
    return result


@pytest.mark.parametrize(
    ("clusters", "kept", "expected"),
    [
        (ONE_CACHE, "4-15", (1, 1, 6, 2)),
        ([{"count": 8, "threads": 1}], "2-7", (1, 1, 6, 1)),
        (FOUR_CACHES, "8-31", (1, 3, 4, 2)),  # three whole L3 caches are three dies
        (FOUR_CACHES, "2-7,10-15", (1, 2, 3, 2)),
        (FOUR_CACHES, "2-15", (1, 1, 7, 2)),  # unequal dies can't be described
        (HYBRID, "2-7", (1, 1, 3, 2)),
        (HYBRID, "2-15", (1, 1, 3, 2)),  # efficiency cores have another number of threads
        (HYBRID, "8-15", (1, 1, 8, 1)),  # efficiency cores alone, of an unknown L3 cache
    ],
)
def test_topology(clusters: list[dict[str, Any]], kept: str, expected: tuple[int, ...]) -> None:
    result = layout(cores(clusters), kept)
    assert (result.sockets, result.dies, result.cores, result.threads) == expected
    assert len(result.pins) == len(result.nodes) == result.sockets * result.dies * result.cores * result.threads


def test_sockets_are_packages() -> None:
    cpus = packages({"count": 4}, {"count": 4})
    assert layout(cpus, "2-15", named="4-11")[3:7] == (2, 1, 2, 2)
    assert layout(cpus, "2-15")[3:7] == (1, 1, 7, 2)  # three cores of one package, four of the other
    caches = [{"count": 2, "node": node} for node in (0, 0, 1, 1)]
    two = cores(caches)
    two = two._replace(cores=tuple(core._replace(package=core.node) for core in two.cores))
    assert layout(two, "0-15")[3:7] == (2, 2, 2, 2)


def test_siblings_are_siblings_in_the_guest() -> None:
    cpus = cores(ONE_CACHE)
    far = cpus._replace(cores=tuple(core._replace(cpus=(number, number + 8)) for number, core in enumerate(cpus.cores)))
    assert layout(far, "2-7,10-15").pins == (2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15)


def test_vcpus_of_a_cache_are_next_to_each_other() -> None:
    cpus = cores([{"count": 2}, {"count": 2}])
    mixed = cpus._replace(
        cores=tuple(core._replace(l3="4" if number % 2 else "0") for number, core in enumerate(cpus.cores))
    )
    assert layout(mixed, "0-7").pins == (0, 1, 4, 5, 2, 3, 6, 7)


def test_threads_that_differ() -> None:
    auto = layout(cores(HYBRID), "2-15")
    assert auto.pins == (2, 3, 4, 5, 6, 7)
    assert auto.notes == ("CPUs 8-15 are not used: their cores have fewer threads than the others",)
    named = layout(cores(HYBRID), "2-15", named="6-9")
    assert (named.pins, named.threads, named.cores) == ((6, 7, 8, 9), 1, 4)
    assert "different numbers of threads" in named.notes[0]


def test_kinds_of_cores_with_the_same_number_of_threads() -> None:
    alike = [{"count": 6, "threads": 1, "kind": "performance"}, {"count": 8, "threads": 1, "kind": "efficiency"}]
    auto = layout(cores(alike), "2-13")
    assert (auto.pins, auto.cores) == ((2, 3, 4, 5), 4)
    assert auto.notes == ("CPUs 6-13 are not used: they are efficiency cores",)
    named = layout(cores(alike), "2-13", "4-7")
    assert named.pins == (4, 5, 6, 7)
    assert named.notes[0].startswith("the CPUs are performance and efficiency cores")
    efficient = layout(cores(alike), "2-13", "6-9")
    assert (efficient.pins, efficient.notes) == ((6, 7, 8, 9), ())
    only = layout(cores(alike), "6-13")
    assert (only.pins, only.notes) == (tuple(range(6, 14)), ())


def test_amd_needs_topoext_for_threads() -> None:
    host = host_of(machine())
    files = host.files._replace(cpu_flags=frozenset({"svm"}))
    result = plan_cpus(host.machine, host.record, GuestRequest("g"), files)
    assert isinstance(result, CpuLayout)
    assert (result.cores, result.threads) == (12, 1)
    assert result.notes == ("this processor lacks topoext: the guest sees each CPU as a core",)
    unknown = plan_cpus(host.machine, host.record, GuestRequest("g"), files._replace(cpu_flags=None))
    assert isinstance(unknown, CpuLayout)
    assert unknown.threads == 2
    assert layout(cores(ONE_CACHE), "4-15", vendor="intel").threads == 2


def test_the_host_serves_from_its_cpus_on_the_same_node() -> None:
    two_nodes = cores([{"count": 4, "node": 0}, {"count": 4, "node": 1}])
    assert layout(two_nodes, "10-15").host == (8, 9)
    assert layout(two_nodes, "8-15").host == tuple(range(8))  # the node has no other CPUs
    assert layout(two_nodes, "6-11", named="8-11").host == (12, 13, 14, 15)  # not CPUs of other guests


@pytest.mark.parametrize(
    ("kept", "named", "code", "seen"),
    [
        ("", None, "guest_cpus_exceed_plan", "no CPUs of this host are kept for guests"),
        ("4-7", "2-5", "guest_cpus_exceed_plan", "CPUs 2-3 are requested, but only 4-7 are kept"),
        ("4-9", "4-6", "cpus_split_core", "lack 7 of the same cores"),
        ("4-7,40", None, "cpus_unknown", "CPUs 40 are offline"),
    ],
)
def test_refused(kept: str, named: str | None, code: str, seen: str) -> None:
    (refusal,) = planned(cores(ONE_CACHE), kept or "", named)
    assert refusal.code == code
    assert seen in refusal.seen


def test_other_cpus_can_be_accepted() -> None:
    accepted = frozenset({"guest_cpus_exceed_plan"})
    assert layout(cores(ONE_CACHE), "4-7", named="2-5", accepted=accepted).pins == (2, 3, 4, 5)


def test_l3_is_emulated_where_the_hosts_numbers_are_wrong() -> None:
    assert not layout(cores(FOUR_CACHES), "8-31").emulate_l3  # whole caches
    assert not layout(cores(FOUR_CACHES), "2-7,10-15").emulate_l3  # 6 and 8 CPUs need the same bits of the APIC id
    assert layout(cores(FOUR_CACHES), "4-7,12-15").emulate_l3
    assert not layout(cores(ONE_CACHE), "12-15").emulate_l3  # one die: nothing to mix


def cpu_of(result: CpuLayout, request: GuestRequest, vendor: str = "amd") -> Element:
    base = machine()
    host = base._replace(cpu=base.cpu._replace(vendor=vendor))
    (cpu,) = (setting.element for setting in cpu_settings(host, request, result, None) if setting.key.name == "cpu")
    return cpu


def test_features() -> None:
    result = layout(cores(ONE_CACHE), "4-15")

    def features(request: GuestRequest, vendor: str = "amd") -> dict[str | None, str | None]:
        found = cpu_of(result, request, vendor).all("feature")
        return {feature.get("name"): feature.get("policy") for feature in found}

    assert features(GuestRequest("g", LINUX)) == {"topoext": "require"}
    assert features(GuestRequest("g", WINDOWS11)) == {"topoext": "require", "svm": "disable"}
    vbs = GuestRequest("g", WINDOWS11, virtualization_based_security=True)
    assert features(vbs) == {"topoext": "require", "svm": "require"}
    assert features(vbs, "intel") == {"vmx": "require"}
    assert features(GuestRequest("g", LINUX), "intel") == {}


def test_the_element() -> None:
    result = layout(cores(FOUR_CACHES), "4-7,12-15")
    assert render(cpu_of(result, GuestRequest("g"), "intel")) == (
        "<cpu mode='host-passthrough' check='none' migratable='off'>\n"
        "  <topology sockets='1' dies='2' cores='2' threads='2'/>\n"
        "  <cache level='3' mode='emulate'/>\n"
        "</cpu>\n"
    )
    emulated = cpu_of(result, GuestRequest("g", domain_type=QEMU))
    assert (emulated.get("mode"), emulated.first("cache")) == ("maximum", None)
