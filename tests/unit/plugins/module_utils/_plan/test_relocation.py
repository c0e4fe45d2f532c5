# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded devices are found again, and no other device is taken for them because it is at their address."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import PciFunction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import DeviceRequest, Selector
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.devices import DevicesPlan, plan_devices
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import (
    parse_host_record,
    render_host_record,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.notation import slot_of
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, function, machine

GPU = DeviceRequest("gpu", Selector(address="0000:41:00.0"))
ANY_GPU = DeviceRequest("gpu", Selector(class_=("03",), class_name="display", boot_display=False))
Functions = Mapping[str, PciFunction]


def planned(functions: Functions, record: HostRecord, *requests: DeviceRequest, accepted: str = "") -> DevicesPlan:
    return plan_devices(machine(functions), requests or (GPU,), record, frozenset(accepted.split()))


def recorded(functions: Functions | None = None, *requests: DeviceRequest) -> HostRecord:
    plan = planned(DESKTOP if functions is None else functions, HostRecord(), *requests)
    assert plan.refusals == ()
    record = HostRecord(plan.recorded, tuple(binding.address for binding in plan.bindings))
    return parse_host_record(render_host_record(record))


def moved(
    functions: Functions, slots: Mapping[str, str | None], parents: Mapping[str, str | None] | None = None
) -> Functions:
    """Return functions in new slots, below new bridges: `slots` and `parents` map old slots; None removes a slot."""
    result = {}
    for address, old in functions.items():
        slot = slot_of(address)
        new_slot = slots.get(slot, slot)
        if new_slot is not None:
            result[f"{new_slot}.{address[-1]}"] = old._replace(parent=(parents or {}).get(slot, old.parent))
    return dict(sorted(result.items()))


def bound(plan: DevicesPlan) -> list[str]:
    return [binding.address for binding in plan.bindings]


def codes(plan: DevicesPlan) -> list[str]:
    return [refusal.code for refusal in plan.refusals]


def test_an_unmoved_device_is_where_it_was() -> None:
    plan = planned(DESKTOP, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.notes == ()


@pytest.mark.parametrize("parent", ["0000:00:03.1", "0000:00:04.1", None])
def test_a_moved_device_is_followed(parent: str | None) -> None:
    """The twin that stays with the host is not taken for it."""
    after = moved(DESKTOP, {"0000:41:00": "0000:61:00"}, {"0000:41:00": parent})
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])
    assert "0000:61:00.0" in plan.notes[0]
    assert plan.bindings[0].identity.parent == parent


def test_a_moved_device_is_followed_when_another_has_its_address() -> None:
    after = moved(DESKTOP, {"0000:41:00": "0000:61:00"})
    other = {**after, "0000:41:00.0": DESKTOP["0000:02:00.0"]}
    plan = planned(other, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_a_renumbered_device_is_followed_when_its_twin_has_its_address() -> None:
    """Another card was removed: both slots are renumbered, and each twin is still below its own bridge."""
    after = moved(DESKTOP, {"0000:01:00": "0000:41:00", "0000:41:00": "0000:61:00"})
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_a_renumbered_device_is_told_from_a_new_twin_by_its_bridge() -> None:
    third = {"0000:21:00.0": DESKTOP["0000:41:00.0"]._replace(parent="0000:00:02.1", iommu_group="30")}
    after = moved(DESKTOP, {"0000:01:00": "0000:02:00", "0000:02:00": "0000:03:00", "0000:41:00": "0000:42:00"})
    plan = planned({**after, **third}, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:42:00.0", "0000:42:00.1"])


def test_a_device_that_moved_on_the_root_bus_is_told_from_its_twin_by_the_twins_address() -> None:
    root = moved(DESKTOP, {}, {"0000:01:00": None, "0000:41:00": None})
    plan = planned(moved(root, {"0000:41:00": "0000:61:00"}), recorded(root))
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_twins_that_both_moved_below_new_bridges_are_ambiguous() -> None:
    slots = {"0000:01:00": "0000:71:00", "0000:41:00": "0000:61:00"}
    parents = {"0000:01:00": "0000:00:05.1", "0000:41:00": "0000:00:06.1"}
    plan = planned(moved(DESKTOP, slots, parents), recorded())
    assert (codes(plan), bound(plan)) == (["device_ambiguous"], [])
    assert "0000:61:00.0" in plan.refusals[0].seen
    assert "0000:71:00.0" in plan.refusals[0].seen


def test_another_device_at_its_address_is_refused() -> None:
    after = {**moved(DESKTOP, {"0000:41:00": None}), "0000:41:00.0": function("144d:a80a", "010802", "nvme", "20")}
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == (["device_changed_identity"], [])
    assert "10de:2684 (subsystem 1043:88e2) is no longer present (it was at 0000:41:00.0)" in plan.refusals[0].seen
    assert "[144d:a80a], class 0108, driver nvme" in plan.refusals[0].seen


def test_a_removed_device_is_refused() -> None:
    """The twin that stays with the host is not taken for it, and the remedy fits: no candidates are listed."""
    plan = planned(moved(DESKTOP, {"0000:41:00": None}), recorded())
    assert (codes(plan), bound(plan)) == (["device_not_found"], [])
    assert plan.refusals[0].seen.endswith("is no longer present (it was at 0000:41:00.0)")
    assert "Put the device back" in plan.refusals[0].remedy
    assert "listed devices" not in plan.refusals[0].remedy


def test_a_replaced_card_is_refused_even_where_the_selection_matches_it() -> None:
    single = moved(DESKTOP, {"0000:01:00": None})
    record = recorded(single, ANY_GPU)
    new = {**moved(single, {"0000:41:00": None}), "0000:41:00.0": function("1002:744c", "030000", "amdgpu", "20")}
    plan = planned(new, record, ANY_GPU)
    assert codes(plan) == ["device_changed_identity"]
    assert "The selection now matches" in plan.refusals[0].seen
    accepted = planned(new, record, ANY_GPU, accepted="device_changed_identity")
    assert (codes(accepted), bound(accepted)) == ([], ["0000:41:00.0"])


def test_a_changed_selection_ignores_the_record() -> None:
    other = GPU._replace(select=Selector(address="0000:01:00.0"))
    assert bound(planned(DESKTOP, recorded(), other)) == ["0000:01:00.0", "0000:01:00.1"]
    by_id = GPU._replace(functions="selected", bind_by="function")
    assert bound(planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), recorded(), by_id)) == ["0000:61:00.0"]


def test_members_of_the_group_are_located_too() -> None:
    shared = {**DESKTOP, "0000:42:00.0": function("8086:1572", "020000", "i40e", "20", parent="0000:00:03.1")}
    request = GPU._replace(with_group=(Selector(address="0000:42:00.0"),))
    record = recorded(shared, request)
    after = moved(shared, {"0000:41:00": "0000:61:00", "0000:42:00": "0000:62:00"})
    assert bound(planned(after, record, request)) == ["0000:61:00.0", "0000:61:00.1", "0000:62:00.0"]
    disk = {**moved(shared, {"0000:42:00": None}), "0000:42:00.0": function("144d:a80a", "010802", "nvme", "20")}
    assert codes(planned(disk, record, request)) == ["device_changed_identity", "group_shared_with_host"]
    # The card moved into a group of its own: the former member of its group stays with the host.
    apart = {**after, "0000:62:00.0": after["0000:62:00.0"]._replace(iommu_group="21")}
    plan = planned(apart, record, request)
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])
    assert "stays with the host" in plan.notes[-1]


def test_two_selected_twins_are_not_swapped() -> None:
    """Each is excluded as the other by the place where it was recorded."""
    other = DeviceRequest("other", Selector(address="0000:01:00.0"))
    record = recorded(DESKTOP, GPU, other)
    plan = planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), record, GPU, other)
    assert codes(plan) == []
    assert {binding.address: binding.name for binding in plan.bindings if binding.role == "selected"} == {
        "0000:01:00.0": "other",
        "0000:61:00.0": "gpu",
    }


def test_a_member_that_the_next_boot_returns_to_the_host_is_a_host_device() -> None:
    """It is no longer named, and on vfio-pci only until the next boot: then its group is not usable."""
    shared = {**DESKTOP, "0000:42:00.0": function("8086:1572", "020000", "vfio-pci", "20")}
    assert codes(planned(shared, HostRecord(bound=("0000:42:00.0",)))) == ["group_shared_with_host"]
    assert codes(planned(shared, HostRecord())) == []


ONE, OTHER = "00-11-22-ff-ff-33-44-55", "00-11-22-ff-ff-33-44-66"


def numbered(functions: Functions, serials: Mapping[str, str | None]) -> Functions:
    """Return functions with serial numbers by slot."""
    return {
        address: unnumbered._replace(serial_number=serials.get(slot_of(address)))
        for address, unnumbered in functions.items()
    }


TWINS = numbered(DESKTOP, {"0000:41:00": ONE, "0000:01:00": OTHER})


def swapped(functions: Functions) -> Functions:
    """Return twins that are in each other's slot: the places are the same, the serial numbers are not."""
    return numbered(
        functions,
        {"0000:41:00": TWINS["0000:01:00.0"].serial_number, "0000:01:00": TWINS["0000:41:00.0"].serial_number},
    )


def test_twins_that_swapped_slots_are_told_apart_by_serial_number() -> None:
    plan = planned(swapped(DESKTOP), recorded(TWINS))
    assert (codes(plan), bound(plan)) == ([], ["0000:01:00.0", "0000:01:00.1"])
    assert plan.bindings[0].identity.serial == ONE


def test_a_host_twin_at_the_place_of_a_removed_device_is_not_taken() -> None:
    """It has the same ids at the same address below the same bridge; only the serial number differs."""
    after = numbered(moved(DESKTOP, {"0000:01:00": None}), {"0000:41:00": OTHER})
    assert (codes(planned(after, recorded(TWINS))), bound(planned(after, recorded(TWINS)))) == (
        ["device_changed_identity"],
        [],
    )


def test_a_host_twin_at_the_recorded_place_is_not_taken_where_only_its_serial_number_is_known() -> None:
    record = recorded(numbered(DESKTOP, {"0000:01:00": OTHER}))
    plan = planned(numbered(DESKTOP, {"0000:41:00": OTHER}), record)
    assert "0000:41:00.0" not in bound(plan)
    assert codes(plan) == ["device_changed_identity"]


def test_a_suspended_function_is_located_by_its_place_and_keeps_its_recorded_serial_number() -> None:
    """Otherwise a second run would change the record: on vfio-pci a function is suspended until a guest uses it."""
    record = recorded(TWINS)
    plan = planned(DESKTOP, record)
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.recorded == record.devices
    assert dict(plan.recorded[0].twins)["0000:01:00.0"].serial == OTHER
    # At another place nothing proves that it is the same card, and the record of another selector does not apply.
    away = planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), record)
    assert [identity.serial for _address, identity in away.recorded[0].functions] == [None]
    other = planned(DESKTOP, record, GPU._replace(select=Selector(address="0000:41:00.0", vendor=("10de",))))
    assert [identity.serial for _address, identity in other.recorded[0].functions] == [None]


def test_a_serial_number_that_is_read_later_is_recorded() -> None:
    plan = planned(TWINS, recorded(DESKTOP))
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.recorded == recorded(TWINS).devices


def ports(first: str, serial: str) -> dict[str, PciFunction]:
    """Return a NIC with two ports: the same ids and serial number, each in a group of its own."""
    port = function("8086:1572", "020000", "i40e", None, parent="0000:00:04.1", serial_number=serial)
    return {f"{first}.{number}": port._replace(iommu_group=f"{30 + number}") for number in (0, 1)}


PORT = DeviceRequest("port", Selector(address="0000:51:00.1"), functions="selected")


@pytest.mark.parametrize("slot", ["0000:51:00", "0000:52:00"])
def test_ports_of_one_card_are_told_apart_by_function_number(slot: str) -> None:
    record = recorded({**DESKTOP, **ports("0000:51:00", ONE)}, PORT)
    plan = planned({**DESKTOP, **ports(slot, ONE)}, record, PORT)
    assert (codes(plan), bound(plan)) == ([], [f"{slot}.1"])


@pytest.mark.parametrize("present", [True, False])
def test_a_serial_number_that_a_maker_gave_to_all_cards_is_ignored(present: bool) -> None:
    """As Realtek does. The host's twin gets the address of the guests' card, which has moved or is removed."""
    same = numbered(DESKTOP, {"0000:41:00": ONE, "0000:01:00": ONE})
    slots = {"0000:01:00": "0000:41:00", "0000:41:00": "0000:61:00" if present else None}
    plan = planned(moved(same, slots), recorded(same))
    assert bound(plan) == (["0000:61:00.0", "0000:61:00.1"] if present else [])
    assert codes(plan) == ([] if present else ["device_changed_identity"])


SLOTS = ["0000:01:00", "0000:02:00", "0000:03:00", "0000:41:00", "0000:51:00", "0000:61:00"]


@settings(deadline=None)
@given(st.permutations(SLOTS), st.sets(st.sampled_from(SLOTS[:4])))
def test_however_slots_are_renumbered_no_other_device_is_bound(order: list[str], removed: set[str]) -> None:
    """Below the same bridges, neither the twin nor the disk nor the NIC is ever taken for it."""
    slots: dict[str, str | None] = dict(zip(SLOTS, order, strict=True))
    slots.update(dict.fromkeys(removed))
    after = moved(DESKTOP, slots)
    plan = planned(after, recorded())
    new_slot = slots["0000:41:00"]
    assert bound(plan) == ([] if new_slot is None else [f"{new_slot}.0", f"{new_slot}.1"])
    assert codes(plan) == (
        [] if new_slot else ["device_changed_identity" if "0000:41:00.0" in after else "device_not_found"]
    )
    # A second run finds the device where the first run recorded it, and has no notes.
    if not plan.refusals:
        second = planned(after, HostRecord(plan.recorded, tuple(bound(plan))))
        assert (second.bindings, second.notes) == (plan.bindings, ())


@settings(deadline=None)
@given(
    st.permutations(SLOTS),
    st.dictionaries(st.sampled_from(["0000:01:00", "0000:41:00"]), st.sampled_from(["0000:00:03.1", "0000:00:04.1"])),
    st.sets(st.sampled_from(["0000:01:00", "0000:41:00"])),
)
def test_wherever_twins_with_serial_numbers_move_the_hosts_is_not_bound(
    order: list[str], parents: dict[str, str], suspended: set[str]
) -> None:
    """In any slot below any bridge it is found, or, while it is suspended, found or refused: its twin is not taken."""
    slots: dict[str, str | None] = dict(zip(SLOTS, order, strict=True))
    functions = {
        address: twin._replace(serial_number=None if slot_of(address) in suspended else twin.serial_number)
        for address, twin in TWINS.items()
    }
    plan = planned(moved(functions, slots, parents), recorded(TWINS))
    if "0000:41:00" not in suspended:
        assert bound(plan) == [f"{slots['0000:41:00']}.0", f"{slots['0000:41:00']}.1"]
    elif "0000:01:00" not in suspended:
        assert f"{slots['0000:01:00']}.0" not in bound(plan)
