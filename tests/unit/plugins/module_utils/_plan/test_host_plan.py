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
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, cores, function, machine, memory

SECTIONS = {
    "iommu": "{pass_through: true}",
    "devices": "[{name: gpu, select: {address: '0000:41:00.0'}}]",
    "hugepages": "[{size: 1G, memory: 16G}, {size: 2M, count: 64}]",
    "cpu_isolation": "{mode: boot}",
}
NOTHING = HostRecord()


def requested(**sections: str) -> Desired:
    desired = parse_desired({name: yaml.safe_load(text) for name, text in sections.items()})
    assert isinstance(desired, Desired), desired
    return desired


def plan(host: Machine, record: HostRecord = NOTHING, **sections: str) -> HostPlan:
    result = plan_host(host, requested(**sections), record)
    assert isinstance(result, HostPlan), result
    return result


def refused(host: Machine, **sections: str) -> list[str]:
    result = plan_host(host, requested(**sections), NOTHING)
    assert not isinstance(result, HostPlan)
    return [refusal.code for refusal in result]


def server(**changes: Any) -> Machine:
    """Return a machine with two NUMA nodes, the GPU on the second."""
    functions = {
        address: function._replace(numa_node=1 if address.startswith("0000:41") else 0)
        for address, function in DESKTOP.items()
    }
    nodes = {"cpus": cores([{"count": 4, "node": 0}, {"count": 4, "node": 1}]), "memory": memory(32, 32)}
    return machine(functions, iommu_kind="intel", **{**nodes, **changes})


def test_a_server_with_all_sections() -> None:
    complete = plan(server(cmdline="ro intel_iommu=on"), **SECTIONS)
    assert complete.arguments == {
        "iommu": ("intel_iommu=on", "iommu=pt"),
        "devices": ("intel_iommu=on", "vfio_workstation=1"),
        "hugepages": ("hugepagesz=1G hugepages=1:16",),
        "cpu_isolation": ("isolcpus=domain,managed_irq,8-15", "nohz_full=8-15", "rcu_nocbs=8-15"),
    }
    assert complete.hugepages is not None
    assert [(pages.node, pages.pages) for pages in complete.hugepages.runtime] == [(1, 64)]
    (file,) = complete.initramfs["devices"].files
    assert file.path == "/etc/udev/rules.d/05-vfio-workstation.rules"
    assert '[pci/0000:41:00.1]driver_override}="vfio-pci"' in file.content
    assert complete.initramfs["devices"].modules == ("vfio-pci",)
    assert complete.files["devices"] == (file,)  # on the host too, for functions that appear later
    assert complete.record.bound == ("0000:41:00.0", "0000:41:00.1")
    assert complete.record.cpus == tuple(range(8, 16))


def test_unmanaged_sections_contribute_nothing() -> None:
    unmanaged = plan(machine())
    assert (unmanaged.arguments, unmanaged.initramfs, unmanaged.files) == ({}, {}, {})
    assert (unmanaged.bindings, unmanaged.hugepages, unmanaged.cpus) == (None, None, None)


def test_empty_sections_remove_what_was_requested_before() -> None:
    record = plan(server(), **SECTIONS).record
    emptied = plan(server(), record, devices="[]", hugepages="[]", cpu_isolation="{cpus: none}")
    assert emptied.arguments == {"devices": (), "hugepages": (), "cpu_isolation": ()}
    assert emptied.initramfs == {"devices": InitramfsRequest()}
    assert emptied.files["devices"] == ()
    assert emptied.record == NOTHING


@pytest.mark.parametrize("order", [list(SECTIONS), list(SECTIONS)[::-1]])
def test_one_section_at_a_time_results_in_the_same(order: list[str]) -> None:
    """In any order, once each has been applied: roles that are used alone do not undo one another."""
    together = plan(server(), **SECTIONS)
    arguments: dict[str, tuple[str, ...]] = {}
    record = NOTHING
    for name in (*order, *order):
        alone = plan(server(), record, **{name: SECTIONS[name]})
        record = alone.record
        arguments.update(alone.arguments)
    assert arguments == together.arguments
    assert record == together.record


def test_cgroup_v1_is_noted_for_dynamic_isolation_alone() -> None:
    host = machine(cmdline="ro systemd.unified_cgroup_hierarchy=0")
    (note,) = plan(host, cpu_isolation="{mode: dynamic}").notes
    assert "AllowedCPUs= needs cgroup v2" in note
    assert plan(host, cpu_isolation="{mode: boot}").notes == ()


def test_huge_pages_are_near_the_cpus_that_an_earlier_run_chose() -> None:
    pages = {"hugepages": "[{size: 1G, count: 4}]"}
    earlier = plan(server(), cpu_isolation="{cpus: '8-11'}")
    later = plan(server(), earlier.record, **pages)
    assert later.arguments == {"hugepages": ("hugepagesz=1G hugepages=1:4",)}
    assert later.arguments == {
        "hugepages": plan(server(), cpu_isolation="{cpus: '8-11'}", **pages).arguments["hugepages"]
    }


def test_the_plan_after_the_reboot_is_the_plan_before_it() -> None:
    """Before, the IOMMU is off, without groups; after, the arguments enabled it, and vfio-pci has the functions."""
    before = plan(server(iommu_state="disabled_in_kernel"), **SECTIONS)
    bound = {binding.address for binding in before.bindings or ()}
    booted = server(cmdline="ro " + " ".join(" ".join(arguments) for arguments in before.arguments.values()))
    functions = {
        address: function._replace(driver="vfio-pci") if address in bound else function
        for address, function in booted.pci.items()
    }
    isolated = booted.cpus._replace(isolated=before.cpus.guests if before.cpus else ())
    after = plan(booted._replace(pci=functions, cpus=isolated), before.record, **SECTIONS)
    assert after._replace(notes=()) == before._replace(notes=())


def test_the_plan_from_the_fallback_entry_is_the_same() -> None:
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


def test_sections_that_need_no_iommu_are_planned_without_one() -> None:
    host = machine(iommu_state="absent", iommu_kind=None, virtualization_state="unsupported")
    assert plan(host, hugepages="[{size: 1G, count: 1}]", cpu_isolation="{}", devices="[]").arguments["hugepages"]
    assert refused(host, iommu="{}") == ["iommu_absent"]


def test_a_refusal_is_overridden_by_its_code_alone() -> None:
    boot_display = {"devices": "[{name: gpu, select: {address: '0000:0d:00.0'}}]"}
    assert refused(machine(), **boot_display) == ["device_is_boot_display"]
    assert refused(machine(), accept="[device_in_use]", **boot_display) == ["device_is_boot_display"]
    overridden = plan(machine(), accept="[device_is_boot_display]", **boot_display)
    assert [binding.address for binding in overridden.bindings or ()] == ["0000:0d:00.0"]


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
def test_a_plan_is_valid_for_the_later_rules_and_a_refusal_is_complete(host: Machine, sections: dict[str, str]) -> None:
    result = plan_host(host, requested(**sections), NOTHING)
    assert plan_host(host, requested(**sections), NOTHING) == result
    if not isinstance(result, HostPlan):
        assert result
        assert all(isinstance(refusal, Refusal) and refusal.danger and refusal.remedy for refusal in result)
        return
    arguments = [unit for section_units in result.arguments.values() for unit in section_units]
    assert list(units(arguments)) == arguments
    assert [contradiction(unit, other) for unit in arguments for other in arguments if contradiction(unit, other)] == []
    assert [initramfs.request_problems(request) for request in result.initramfs.values()] == [[]] * len(
        result.initramfs
    )
    assert set(result.arguments) == set(sections)
    # With the record of the first run, the plan is the same.
    second = plan_host(host, requested(**sections), result.record)
    assert isinstance(second, HostPlan)
    assert second == result


def test_cpus_and_memory_stay_near_a_virtual_function_while_it_is_absent() -> None:
    functions = {
        "0000:51:00.0": function("8086:1572", "020000", "i40e", "30", numa_node=1),
        "0000:51:02.0": function("8086:154c", "020000", "iavf", "31", numa_node=1, physical_function="0000:51:00.0"),
    }
    present = {**server().pci, **functions}
    absent = {address: other for address, other in present.items() if address != "0000:51:02.0"}
    sections = {"devices": "[{name: vf, select: {address: '0000:51:02.0'}}]", "cpu_isolation": "{mode: boot}"}
    before = plan(server()._replace(pci=present), **sections)
    assert before.cpus is not None
    assert before.cpus.guests[0] >= 8  # on the second node
    after = plan(server()._replace(pci=absent), before.record, **sections)
    assert after.notes != before.notes
    assert after._replace(notes=()) == before._replace(notes=())
