# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions and removable devices: selected alone, and planned as recorded while they are absent."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import PciFunction, Use
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import DeviceRequest, Selector
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.devices import DevicesPlan, plan_devices
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import (
    parse_host_record,
    render_host_record,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.udev_rule import rule_text
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, function, machine

Functions = Mapping[str, PciFunction]

PHYSICAL = "0000:00:02.0"
IDS = "8086:a780:1043:8882"
#: Graphics in the processor with virtual functions that have the same ids, in the same slot.
GRAPHICS: Functions = {
    PHYSICAL: function(IDS, "030000", "i915", "0", boot_display=True, in_use_by=(Use("process", "Xorg", "card0"),)),
    **{
        f"0000:00:02.{number}": function(IDS, "030000", "i915", f"2{number}", physical_function=PHYSICAL)
        for number in (1, 2, 3)
    },
}
WITHOUT_VIRTUAL: Functions = {PHYSICAL: GRAPHICS[PHYSICAL]}
THIRD = DeviceRequest("vf", Selector(address="0000:00:02.3"))
EGPU = DeviceRequest("egpu", Selector(address="0000:41:00.0"))
#: The second GPU is plugged in.
PLUGGED: Functions = {
    address: device._replace(removable="removable") if address.startswith("0000:41") else device
    for address, device in DESKTOP.items()
}
UNPLUGGED: Functions = {address: device for address, device in DESKTOP.items() if not address.startswith("0000:41")}


def planned(functions: Functions, request: DeviceRequest, record: HostRecord, accepted: str = "") -> DevicesPlan:
    return plan_devices(machine(functions), (request,), record, frozenset(accepted.split()))


def recorded(functions: Functions, request: DeviceRequest) -> HostRecord:
    plan = planned(functions, request, HostRecord())
    assert plan.refusals == ()
    record = HostRecord(plan.recorded, tuple(binding.address for binding in plan.bindings))
    return parse_host_record(render_host_record(record))


def bound(plan: DevicesPlan) -> list[tuple[str, str]]:
    assert plan.refusals == ()
    return [(binding.address, binding.role) for binding in plan.bindings]


def test_a_virtual_function_is_a_device_of_its_own() -> None:
    plan = planned(GRAPHICS, THIRD, HostRecord())
    assert bound(plan) == [("0000:00:02.3", "selected")]
    assert plan.bindings[0].identity.physical_function == PHYSICAL
    (note,) = plan.notes
    assert "vf: 0000:00:02.3 is a virtual function of 0000:00:02.0" in note
    assert "/sys/bus/pci/devices/0000:00:02.0/sriov_numvfs" in note
    assert "absent" not in note


def test_a_selector_that_matches_a_physical_and_its_virtual_functions_lists_them() -> None:
    request = DeviceRequest("gpu", Selector(device="a780"))
    (refusal,) = planned(GRAPHICS, request, HostRecord()).refusals
    assert refusal.code == "device_ambiguous"
    assert "4 devices match" in refusal.seen
    assert refusal.seen.count("virtual function of 0000:00:02.0") == 3


def test_a_physical_function_is_bound_without_its_virtual_ones() -> None:
    physical = GRAPHICS[PHYSICAL]._replace(boot_display=False, in_use_by=())
    request = DeviceRequest("gpu", Selector(address=PHYSICAL))
    assert bound(planned({**GRAPHICS, PHYSICAL: physical}, request, HostRecord())) == [(PHYSICAL, "selected")]


def test_a_virtual_function_does_not_appear_while_its_physical_function_is_bound() -> None:
    physical = GRAPHICS[PHYSICAL]._replace(boot_display=False, in_use_by=())
    host = machine({**GRAPHICS, PHYSICAL: physical})
    plan = plan_devices(host, (THIRD, DeviceRequest("gpu", Selector(address=PHYSICAL))), HostRecord())
    assert plan.refusals == ()
    assert "vf: 0000:00:02.0 is requested too (gpu): on vfio-pci, it creates no virtual functions" in plan.notes


@pytest.mark.parametrize("numbers", [(), (1, 2)])
def test_an_absent_virtual_function_is_planned_as_recorded(numbers: tuple[int, ...]) -> None:
    """Never as another one of the same physical function, which has the same ids."""
    record = recorded(GRAPHICS, THIRD)
    there = {**WITHOUT_VIRTUAL, **{f"0000:00:02.{number}": GRAPHICS[f"0000:00:02.{number}"] for number in numbers}}
    plan = planned(there, THIRD, record)
    assert bound(plan) == [("0000:00:02.3", "selected")]
    (note,) = plan.notes
    assert note.endswith("It is absent now.")
    # The next run still knows it.
    again = planned(WITHOUT_VIRTUAL, THIRD, HostRecord(plan.recorded, record.bound))
    assert rule_text(again.bindings) == rule_text(planned(GRAPHICS, THIRD, record).bindings)


def test_a_virtual_function_that_was_never_present_is_not_found() -> None:
    assert [refusal.code for refusal in planned(WITHOUT_VIRTUAL, THIRD, HostRecord()).refusals] == ["device_not_found"]


@pytest.mark.parametrize("change", [{"vendor": "10de"}, None])
def test_a_virtual_function_without_its_physical_function_is_not_found(change: dict[str, str] | None) -> None:
    there = {**DESKTOP, **({PHYSICAL: GRAPHICS[PHYSICAL]._replace(**change)} if change else {})}
    plan = planned(there, THIRD, recorded(GRAPHICS, THIRD))
    assert [refusal.code for refusal in plan.refusals] == ["device_not_found"]


def test_a_removable_device_is_planned_with_its_whole_slot_while_it_is_unplugged() -> None:
    record = recorded(PLUGGED, EGPU)
    present, absent = planned(PLUGGED, EGPU, record), planned(UNPLUGGED, EGPU, record)
    assert bound(absent) == bound(present) == [("0000:41:00.0", "selected"), ("0000:41:00.1", "same slot")]
    assert rule_text(absent.bindings) == rule_text(present.bindings)
    assert absent.arguments == present.arguments
    note = "egpu: 0000:41:00.0 is removable and is bound when it is plugged in and authorized."
    assert (present.notes, absent.notes) == ((note,), (f"{note} It is absent now.",))
    assert absent.recorded == present.recorded


def test_a_device_that_is_not_removable_is_not_found_while_it_is_absent() -> None:
    plan = planned(UNPLUGGED, EGPU, recorded(DESKTOP, EGPU))
    assert [refusal.code for refusal in plan.refusals] == ["device_not_found"]


def test_a_removable_device_that_was_moved_is_followed() -> None:
    moved = {address.replace("0000:41:", "0000:61:"): device for address, device in PLUGGED.items()}
    plan = planned(moved, EGPU, recorded(PLUGGED, EGPU))
    assert [address for address, _role in bound(plan)] == ["0000:61:00.0", "0000:61:00.1"]


def test_the_selection_is_applied_again_where_an_absence_is_accepted() -> None:
    any_gpu = DeviceRequest("egpu", Selector(class_=("03",), class_name="display", driver="nvidia"))
    other = PLUGGED["0000:41:00.0"]._replace(device="2488")
    alone = {**{a: device for a, device in PLUGGED.items() if not a.startswith("0000:01")}, "0000:41:00.0": other}
    record = recorded(alone, any_gpu)
    assert bound(planned(UNPLUGGED, any_gpu, record))[0][0] == "0000:41:00.0"
    assert bound(planned(UNPLUGGED, any_gpu, record, "device_not_found"))[0][0] == "0000:01:00.0"
