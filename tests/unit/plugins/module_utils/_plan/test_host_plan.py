# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections together, and each alone."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.cmdline import units
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import InitramfsRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.argument_rules import contradiction
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.initramfs import decide as initramfs
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, cores, machine, memory

SECTIONS = {
    "iommu": "{pass_through: true}",
    "devices": "[{name: gpu, select: {address: '0000:41:00.0'}}]",
    "hugepages": "[{size: 1G, memory: 16G}, {size: 2M, count: 64}]",
    "cpu_isolation": "{mode: boot}",
}
NOTHING = HostRecord()


def wanted(**sections: str) -> Desired:
    desired = parse_desired({name: yaml.safe_load(text) for name, text in sections.items()})
    assert isinstance(desired, Desired), desired
    return desired


def plan(host: Machine, record: HostRecord = NOTHING, **sections: str) -> HostPlan:
    found = plan_host(host, wanted(**sections), record)
    assert isinstance(found, HostPlan), found
    return found


def refused(host: Machine, **sections: str) -> list[str]:
    found = plan_host(host, wanted(**sections), NOTHING)
    assert not isinstance(found, HostPlan)
    return [one.code for one in found]


def server(**changes: Any) -> Machine:
    """Two nodes, the GPU on the second."""
    functions = {
        address: one._replace(numa_node=1 if address.startswith("0000:41") else 0) for address, one in DESKTOP.items()
    }
    there = {"cpus": cores([{"count": 4, "node": 0}, {"count": 4, "node": 1}]), "memory": memory(32, 32)}
    return machine(functions, iommu_kind="intel", **{**there, **changes})


def test_a_server_with_all_sections() -> None:
    found = plan(server(cmdline="ro intel_iommu=on"), **SECTIONS)
    assert found.arguments == {
        "iommu": ("intel_iommu=on", "iommu=pt"),
        "devices": ("intel_iommu=on", "vfio_workstation=1"),
        "hugepages": ("hugepagesz=1G hugepages=1:16",),
        "cpu_isolation": ("isolcpus=domain,managed_irq,8-15", "nohz_full=8-15", "rcu_nocbs=8-15"),
    }
    assert found.hugepages is not None
    assert [(one.node, one.pages) for one in found.hugepages.runtime] == [(1, 64)]
    (file,) = found.initramfs["devices"].files
    assert file.path == "/etc/udev/rules.d/05-vfio-workstation.rules"
    assert '[pci/0000:41:00.1]driver_override}="vfio-pci"' in file.content
    assert found.initramfs["devices"].modules == ("vfio-pci",)
    assert found.record.bound == ("0000:41:00.0", "0000:41:00.1")
    assert found.record.cpus == tuple(range(8, 16))


def test_sections_that_are_not_spoken_of_are_not_there() -> None:
    found = plan(machine())
    assert (found.arguments, found.initramfs) == ({}, {})
    assert (found.bindings, found.hugepages, found.cpus) == (None, None, None)


def test_what_is_wanted_no_more_goes() -> None:
    record = plan(server(), **SECTIONS).record
    found = plan(server(), record, devices="[]", hugepages="[]", cpu_isolation="{cpus: none}")
    assert found.arguments == {"devices": (), "hugepages": (), "cpu_isolation": ()}
    assert found.initramfs == {"devices": InitramfsRequest()}
    assert found.record == NOTHING


@pytest.mark.parametrize("order", [list(SECTIONS), list(SECTIONS)[::-1]])
def test_one_section_at_a_time_comes_to_the_same(order: list[str]) -> None:
    """In any order, once each has been there: roles that are used alone do not undo one another."""
    together = plan(server(), **SECTIONS)
    arguments: dict[str, tuple[str, ...]] = {}
    record = NOTHING
    for name in (*order, *order):
        found = plan(server(), record, **{name: SECTIONS[name]})
        record = found.record
        arguments.update(found.arguments)
    assert arguments == together.arguments
    assert record == together.record


def test_huge_pages_go_by_the_cpus_that_an_earlier_run_chose() -> None:
    pages = {"hugepages": "[{size: 1G, count: 4}]"}
    chosen = plan(server(), cpu_isolation="{cpus: '8-11'}")
    found = plan(server(), chosen.record, **pages)
    assert found.arguments == {"hugepages": ("hugepagesz=1G hugepages=1:4",)}
    assert found.arguments == {
        "hugepages": plan(server(), cpu_isolation="{cpus: '8-11'}", **pages).arguments["hugepages"]
    }


def test_after_the_boot_that_it_asks_for_it_asks_for_the_same() -> None:
    """Bare: the IOMMU is off, no groups. Then: it is on because of us, and vfio-pci has the functions."""
    before = plan(server(iommu_state="disabled_in_kernel"), **SECTIONS)
    bound = {one.address for one in before.bindings or ()}
    booted = server(cmdline="ro " + " ".join(" ".join(found) for found in before.arguments.values()))
    functions = {
        address: one._replace(driver="vfio-pci") if address in bound else one for address, one in booted.pci.items()
    }
    isolated = booted.cpus._replace(isolated=before.cpus.guests if before.cpus else ())
    after = plan(booted._replace(pci=functions, cpus=isolated), before.record, **SECTIONS)
    assert after._replace(notes=()) == before._replace(notes=())


def test_from_the_fallback_entry_it_asks_for_the_same() -> None:
    before = plan(server(cmdline="ro intel_iommu=on"), **SECTIONS)
    after = plan(server(iommu_state="disabled_in_kernel"), before.record, **SECTIONS)
    assert (after.arguments, after.initramfs) == (before.arguments, before.initramfs)


def test_all_refusals_of_all_sections_at_once() -> None:
    host = machine(iommu_state="absent", iommu_kind=None, virtualization_state="disabled_by_firmware")
    codes = refused(
        host,
        devices="[{name: gpu, select: {address: '0000:0d:00.0'}}, {name: x, select: {class: usb}}]",
        hugepages="[{size: 16G, count: 1}]",
        cpu_isolation="{cpus: '3'}",
    )
    assert codes == [
        "iommu_absent",
        "cpu_virtualization_disabled_by_firmware",
        "device_not_found",
        "device_is_boot_display",
        "cpus_split_core",
        "hugepage_size_unsupported",
    ]


def test_what_needs_no_iommu_is_not_refused_for_it() -> None:
    host = machine(iommu_state="absent", iommu_kind=None, virtualization_state="unsupported")
    assert plan(host, hugepages="[{size: 1G, count: 1}]", cpu_isolation="{}", devices="[]").arguments["hugepages"]
    assert refused(host, iommu="{}") == ["iommu_absent"]


def test_a_refusal_that_is_accepted_by_its_code_stands_in_nobodys_way() -> None:
    boot_display = {"devices": "[{name: gpu, select: {address: '0000:0d:00.0'}}]"}
    assert refused(machine(), **boot_display) == ["device_is_boot_display"]
    assert refused(machine(), accept="[device_in_use]", **boot_display) == ["device_is_boot_display"]
    found = plan(machine(), accept="[device_is_boot_display]", **boot_display)
    assert [one.address for one in found.bindings or ()] == ["0000:0d:00.0"]


PARTS = {
    "iommu": st.sampled_from(["{}", "{pass_through: true}"]),
    "devices": st.sampled_from(
        [
            "[]",
            SECTIONS["devices"],
            "[{name: gpu, select: {slot: '01:00'}, bind_by: id}]",
            "[{name: both, select: {slot: '01:00'}, bind_by: id}, {name: b, select: {slot: '41:00'}}]",
            "[{name: gpu, select: {class: display}}]",
            "[{name: disk, select: {class: nvme}}]",
        ]
    ),
    "hugepages": st.sampled_from(
        ["[]", SECTIONS["hugepages"], "[{size: 1G, count: 40}]", "[{size: 2M, count: 9000, at: boot}]"]
    ),
    "cpu_isolation": st.sampled_from(
        ["{}", "{mode: boot}", "{count: 2, mode: boot}", "{cpus: '2-3', mode: boot}", "{cpus: '1'}"]
    ),
}
HOSTS = [
    machine(),
    server(),
    server(iommu_state="disabled_in_kernel"),
    machine(iommu_state="absent"),
    machine(cpus=cores([{"count": 1}]), memory=memory(1)),
]


@settings(deadline=None)
@given(st.sampled_from(HOSTS), st.fixed_dictionaries({}, optional=PARTS))
def test_a_plan_is_one_that_the_other_rules_take_and_a_refusal_is_nothing_but_that(
    host: Machine, sections: dict[str, str]
) -> None:
    found = plan_host(host, wanted(**sections), NOTHING)
    assert plan_host(host, wanted(**sections), NOTHING) == found
    if not isinstance(found, HostPlan):
        assert found
        assert all(isinstance(one, Refusal) and one.danger and one.remedy for one in found)
        return
    requested = [unit for of_owner in found.arguments.values() for unit in of_owner]
    assert list(units(requested)) == requested
    assert [contradiction(one, other) for one in requested for other in requested if contradiction(one, other)] == []
    assert [initramfs.request_problems(request) for request in found.initramfs.values()] == [[]] * len(found.initramfs)
    assert set(found.arguments) == set(sections)
    # With what it recorded, it comes to the same.
    again = plan_host(host, wanted(**sections), found.record)
    assert isinstance(again, HostPlan)
    assert again == found
