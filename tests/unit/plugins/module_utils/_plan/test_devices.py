# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which functions a device request binds, and which requests are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Kernel, Machine, PciFunction, Use
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired, DeviceRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.iommu import ReservedRegion
from ansible_collections.vfio.workstation.plugins.module_utils._plan.devices import DevicesPlan, plan_devices
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, function, machine

NOTHING = HostRecord()
SECOND_TWIN = "[{name: gpu, select: {address: '0000:41:00.0'}}]"


def requests(text: str) -> tuple[DeviceRequest, ...]:
    desired = parse_desired({"devices": yaml.safe_load(text)})
    assert isinstance(desired, Desired), desired
    return desired.devices or ()


def planned(host: Machine, text: str, record: HostRecord = NOTHING) -> DevicesPlan:
    return plan_devices(host, requests(text), record)


def with_function(address: str, **changes: Any) -> Mapping[str, PciFunction]:
    return {**DESKTOP, address: DESKTOP[address]._replace(**changes)}


def test_the_whole_slot_is_bound() -> None:
    plan = planned(machine(), SECOND_TWIN)
    assert plan.refusals == ()
    assert [(binding.address, binding.role) for binding in plan.bindings] == [
        ("0000:41:00.0", "selected"),
        ("0000:41:00.1", "same slot"),
    ]
    first = plan.bindings[0]
    assert first.identity.ids == ("10de", "2684", "1043", "88e2")
    assert (first.identity.parent, first.identity.serial) == ("0000:00:03.1", None)
    assert first.twins == ("0000:01:00.0",)
    assert plan.arguments == ("vfio_workstation=1",)


@pytest.mark.parametrize(
    "select",
    [
        "{slot: '41:00'}",
        "{class: display, slot: '41:00'}",
        "{id: '10de:2684', address: '41:00.0'}",
        "{class: audio, slot: '41:00'}",
    ],
)
def test_functions_of_one_slot_are_one_device(select: str) -> None:
    plan = planned(machine(), f"[{{name: gpu, select: {select}}}]")
    assert plan.refusals == ()
    assert [binding.address for binding in plan.bindings] == ["0000:41:00.0", "0000:41:00.1"]


@pytest.mark.parametrize(
    ("select", "code", "listed"),
    [
        ("{class: display, boot_display: false}", "device_ambiguous", ["0000:01:00.0", "0000:41:00.0"]),
        ("{vendor: nvidia}", "device_ambiguous", ["0000:01:00.0", "0000:01:00.1", "0000:41:00.0", "0000:41:00.1"]),
        ("{class: nvme, vendor: nvidia}", "device_not_found", ["0000:01:00.0", "0000:02:00.0", "0000:41:00.1"]),
        ("{address: '0000:99:00.0'}", "device_not_found", ["0000:0d:00.0"]),  # nothing matches in part: the displays
        ("{address: '0000:00:01.1'}", "device_not_found", ["0000:00:01.1"]),
        ("{class: '0600'}", "device_not_found", []),
    ],
)
def test_one_match_or_the_candidates(select: str, code: str, listed: list[str]) -> None:
    plan = planned(machine(), f"[{{name: gpu, select: {select}}}]")
    (refusal,) = plan.refusals
    assert refusal.code == code
    assert refusal.seen.startswith("gpu: ")
    assert all(address in refusal.seen for address in listed)
    assert (plan.bindings, plan.arguments) == ((), ())


def test_a_device_that_matches_nothing_has_a_remedy_that_fits_what_is_listed() -> None:
    text = "[{name: gpu, select: {address: '0000:99:00.0'}}]"
    (refusal,) = planned(machine(), text).refusals
    assert "; the closest are:\n" in refusal.seen
    assert "one of the listed devices" in refusal.remedy
    without_displays = {a: nic for a, nic in DESKTOP.items() if not (nic.class_ or "").startswith("03")}
    (refusal,) = planned(machine(without_displays), text).refusals
    assert refusal.seen.endswith("and none is similar")
    assert "listed devices" not in refusal.remedy
    assert "vfio.workstation.report lists all devices" in refusal.remedy


def test_candidates_are_described() -> None:
    functions = with_function(
        "0000:01:00.0", vendor_name="NVIDIA", device_name="AD102", in_use_by=(Use("process", "Xorg", "card0"),)
    )
    (refusal,) = planned(machine(functions), "[{name: gpu, select: {class: display}}]").refusals
    line = next(line for line in refusal.seen.splitlines() if "0000:01:00.0" in line)
    assert (
        line.strip()
        == "0000:01:00.0 NVIDIA AD102 [10de:2684], class 0300, driver nvidia, group 12, process Xorg (by card0)"
    )
    assert "driver amdgpu, group 15, boot display" in refusal.seen


def test_functions_of_an_amd_processor_in_the_slot_of_its_gpu_are_not_bound_with_it() -> None:
    own = {
        "0000:c1:00.0": function("1002:15bf", "030000", "amdgpu", "30"),
        "0000:c1:00.1": function("1002:1640", "040300", "snd_hda_intel", "31"),
        "0000:c1:00.2": function("1022:15c7", "108000", "ccp", "32"),
        "0000:c1:00.3": function("1022:15b9", "0c0330", "xhci_hcd", "33"),
    }
    host = machine({**DESKTOP, **own})
    for address, together in (("c1:00.0", [".0", ".1"]), ("c1:00.3", [".2", ".3"])):
        plan = planned(host, f"[{{name: x, select: {{address: '{address}'}}}}]")
        assert [binding.address[-2:] for binding in plan.bindings] == together


def test_selected_functions_alone_leave_the_group_shared() -> None:
    (refusal,) = planned(machine(), SECOND_TWIN.replace("}}]", "}, functions: selected}]")).refusals
    assert refusal.code == "group_shared_with_host"
    assert "0000:41:00.1" in refusal.seen


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("[{name: gpu, select: {address: '0d:00.0'}}]", "device_is_boot_display", "0000:0d:00.0"),
        ("[{name: disk, select: {class: nvme}}]", "device_in_use", "mount / (by nvme0n1p2)"),
        (SECOND_TWIN.replace("}}]", "}, bind_by: id}]"), "ids_match_a_host_device", "0000:01:00.0"),
    ],
)
def test_refused(text: str, code: str, seen: str) -> None:
    refusals = planned(machine(), text).refusals
    assert {refusal.code for refusal in refusals} == {code}
    assert seen in refusals[0].seen


def test_uses_of_every_function_of_the_slot_are_checked() -> None:
    uses = (Use("default_route", "enp65s0", "enp65s0"), Use("process", "wireplumber", "controlC0"))
    plan = planned(machine(with_function("0000:41:00.1", in_use_by=uses)), SECOND_TWIN)
    (refusal,) = plan.refusals
    assert refusal.code == "device_in_use"
    assert "functions: selected" in refusal.seen


def test_processes_are_no_reason_to_refuse() -> None:
    uses = (Use("process", "wireplumber (1502)", "controlC0"), Use("virtual_machine", "win11", "vfio/20"))
    plan = planned(machine(with_function("0000:41:00.1", in_use_by=uses)), SECOND_TWIN)
    assert plan.refusals == ()
    assert "wireplumber" in plan.notes[0]
    assert "win11" not in plan.notes[0]


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"boot_display": None}, True),
        ({"boot_display": True}, True),
        ({"boot_display": None, "class_": "030200"}, False),  # has no outputs
        ({"boot_display": None, "class_": "038000"}, True),
        ({"boot_display": False}, False),
    ],
)
def test_a_display_that_may_be_the_boot_display_is_refused(changes: dict[str, Any], refused: bool) -> None:
    plan = planned(machine(with_function("0000:41:00.0", **changes)), SECOND_TWIN)
    assert [refusal.code for refusal in plan.refusals] == ["device_is_boot_display"] * refused


def shared(driver: str | None, class_: str = "020000", address: str = "0000:42:00.0") -> Mapping[str, PciFunction]:
    return {**DESKTOP, address: function("8086:1572", class_, driver, "20")}


@pytest.mark.parametrize(
    ("functions", "refused"),
    [
        (shared("i40e"), True),
        (shared(None), False),
        (shared("vfio-pci"), False),
        (shared("mlx5_vfio_pci"), False),
        (shared("pci-stub"), False),
        (shared("uio_pci_generic"), True),
        (shared("pcieport", "060400"), False),
        (shared(None, "060100"), False),
        (shared("lpc_ich", "060100"), True),
    ],
)
def test_members_of_a_group_that_are_not_bound(functions: Mapping[str, PciFunction], refused: bool) -> None:
    plan = planned(machine(functions), SECOND_TWIN)
    assert [refusal.code for refusal in plan.refusals] == ["group_shared_with_host"] * refused
    if refused:
        assert "0000:42:00.0" in plan.refusals[0].seen
    assert [binding.address for binding in plan.bindings] == ["0000:41:00.0", "0000:41:00.1"]


def test_the_remedy_for_a_bridge_in_the_group_is_not_with_group() -> None:
    nic, bridge = (
        planned(machine(shared(*kind)), SECOND_TWIN).refusals[0] for kind in [("i40e",), ("lpc_ich", "060100")]
    )
    assert "with_group" in nic.remedy
    assert "can't be passed through" in bridge.remedy
    assert "with_group" not in bridge.remedy


def test_members_of_the_group_that_with_group_selects_are_bound_too() -> None:
    for selector in ("'42:00.0'", "{class: network}", "{driver: i40e}"):
        text = SECOND_TWIN.replace("}}]", f"}}, with_group: [{selector}]}}]")
        plan = planned(machine(shared("i40e")), text)
        assert plan.refusals == ()
        assert [(binding.address, binding.role) for binding in plan.bindings][2:] == [("0000:42:00.0", "named")]


def test_with_group_selects_members_of_the_group_only() -> None:
    plan = planned(machine(), SECOND_TWIN.replace("}}]", "}, with_group: [{class: network}]}]"))
    (refusal,) = plan.refusals
    assert refusal.code == "device_not_found"
    assert "0000:41:00.1" in refusal.seen
    assert "one of the listed devices" in refusal.remedy


def test_two_devices_may_share_a_group() -> None:
    nic = "{name: nic, select: {address: '42:00.0'}}"
    plan = planned(machine(shared("i40e")), SECOND_TWIN.replace("}}]", "}}, " + nic + "]"))
    assert plan.refusals == ()
    assert [binding.name for binding in plan.bindings] == ["gpu", "gpu", "nic"]


def test_group_members_that_are_no_pci_functions_stay_with_the_host() -> None:
    host = machine()
    groups = {
        **host.iommu.groups,
        "20": host.iommu.groups["20"]._replace(members=("0000:41:00.0", "0000:41:00.1", "fd000000.x")),
    }
    (refusal,) = planned(host._replace(iommu=host.iommu._replace(groups=groups)), SECOND_TWIN).refusals
    assert refusal.code == "group_shared_with_host"
    assert "fd000000.x" in refusal.seen


@pytest.mark.parametrize(("kind", "refused"), [("direct", True), ("direct-relaxable", False), ("msi", False)])
def test_reserved_regions(kind: str, refused: bool) -> None:
    host = machine()
    region = ReservedRegion("0x7b800000", "0x7fffffff", kind)
    groups = {**host.iommu.groups, "20": host.iommu.groups["20"]._replace(reserved_regions=(region,))}
    plan = planned(host._replace(iommu=host.iommu._replace(groups=groups)), SECOND_TWIN)
    assert [refusal.code for refusal in plan.refusals] == ["reserved_region"] * refused


def test_a_function_without_a_group_is_refused() -> None:
    plan = planned(machine(with_function("0000:41:00.1", iommu_group=None)), SECOND_TWIN)
    assert [refusal.code for refusal in plan.refusals] == ["device_has_no_group"]


def test_while_the_iommu_is_disabled_groups_are_unknown() -> None:
    plan = planned(machine(iommu_state="disabled_in_kernel", iommu_kind="intel"), SECOND_TWIN)
    assert plan.refusals == ()
    assert "checked after the reboot" in plan.notes[-1]
    assert planned(machine(), SECOND_TWIN).bindings == plan.bindings


def test_every_kernel_must_have_vfio_pci() -> None:
    host = machine()
    kernels = tuple(Kernel(f"6.{minor}", None, None, None, has) for minor, has in enumerate((True, None, False)))
    lacking = host._replace(boot=host.boot._replace(kernels=kernels))
    (refusal,) = planned(lacking, SECOND_TWIN).refusals
    assert (refusal.code, "6.2" in refusal.seen) == ("kernel_lacks_vfio", True)
    assert planned(lacking, "[]").refusals == ()


def test_binding_by_id_adds_the_ids_to_the_command_line() -> None:
    alone = {address: gpu for address, gpu in DESKTOP.items() if not address.startswith("0000:01")}
    plan = planned(machine(alone), SECOND_TWIN.replace("}}]", "}, bind_by: id}]"))
    assert plan.refusals == ()
    assert plan.arguments == ("vfio_workstation=1", "vfio-pci.ids=10de:2684:1043:88e2,10de:22ba:1043:88e2")


def test_both_twins_may_be_bound_by_their_ids() -> None:
    text = "[{name: a, select: {slot: '01:00'}, bind_by: id}, {name: b, select: {slot: '41:00'}, bind_by: id}]"
    plan = planned(machine(), text)
    assert plan.refusals == ()
    assert len(plan.bindings) == 4
    assert plan.arguments[1].count("10de:2684") == 1


def test_all_refusals_at_once() -> None:
    text = (
        "[{name: a, select: {address: '0d:00.0'}}, {name: b, select: {class: nvme}}, {name: c, select: {class: usb}}]"
    )
    codes = [refusal.code for refusal in planned(machine(), text).refusals]
    assert sorted(codes) == ["device_in_use", "device_is_boot_display", "device_not_found"]
