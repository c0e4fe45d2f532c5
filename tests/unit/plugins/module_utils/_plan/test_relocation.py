# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that an earlier run selected are found again, and never mistaken for what sits in their place."""

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
    record = HostRecord(plan.remembered, tuple(one.address for one in plan.bindings))
    return parse_host_record(render_host_record(record))


def moved(
    functions: Functions, places: Mapping[str, str | None], parents: Mapping[str, str | None] | None = None
) -> Functions:
    """Return functions whose slots are elsewhere: `places` and `parents` say by slot where; None takes a slot out."""
    result = {}
    for address, one in functions.items():
        slot = slot_of(address)
        place = places.get(slot, slot)
        if place is not None:
            result[f"{place}.{address[-1]}"] = one._replace(parent=(parents or {}).get(slot, one.parent))
    return dict(sorted(result.items()))


def bound(plan: DevicesPlan) -> list[str]:
    return [one.address for one in plan.bindings]


def codes(plan: DevicesPlan) -> list[str]:
    return [one.code for one in plan.refusals]


def test_where_it_was_it_is() -> None:
    plan = planned(DESKTOP, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.notes == ()


@pytest.mark.parametrize("parent", ["0000:00:03.1", "0000:00:04.1", None])
def test_moved_and_nothing_in_its_place(parent: str | None) -> None:
    """The rule follows, and the twin that the host keeps is not taken for it."""
    after = moved(DESKTOP, {"0000:41:00": "0000:61:00"}, {"0000:41:00": parent})
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])
    assert "0000:61:00.0" in plan.notes[0]
    assert plan.bindings[0].identity.parent == parent


def test_moved_and_something_else_in_its_place() -> None:
    after = moved(DESKTOP, {"0000:41:00": "0000:61:00"})
    other = {**after, "0000:41:00.0": DESKTOP["0000:02:00.0"]}
    plan = planned(other, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_renumbered_so_that_the_twin_has_its_address() -> None:
    """A card between them went: both slots moved up, and each twin is still below its own bridge."""
    after = moved(DESKTOP, {"0000:01:00": "0000:41:00", "0000:41:00": "0000:61:00"})
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_renumbered_while_a_third_twin_came() -> None:
    """The one below its bridge it is, not the new one."""
    third = {"0000:21:00.0": DESKTOP["0000:41:00.0"]._replace(parent="0000:00:02.1", iommu_group="30")}
    after = moved(DESKTOP, {"0000:01:00": "0000:02:00", "0000:02:00": "0000:03:00", "0000:41:00": "0000:42:00"})
    plan = planned({**after, **third}, recorded())
    assert (codes(plan), bound(plan)) == ([], ["0000:42:00.0", "0000:42:00.1"])


def test_moved_where_no_bridge_tells() -> None:
    """Functions on the root bus have none: the twin is known by its address."""
    root = moved(DESKTOP, {}, {"0000:01:00": None, "0000:41:00": None})
    plan = planned(moved(root, {"0000:41:00": "0000:61:00"}), recorded(root))
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])


def test_swapped_twins_without_a_bridge_that_tells_cannot_be_told_apart() -> None:
    places = {"0000:01:00": "0000:71:00", "0000:41:00": "0000:61:00"}
    parents = {"0000:01:00": "0000:00:05.1", "0000:41:00": "0000:00:06.1"}
    plan = planned(moved(DESKTOP, places, parents), recorded())
    assert (codes(plan), bound(plan)) == (["device_ambiguous"], [])
    assert "0000:61:00.0" in plan.refusals[0].seen
    assert "0000:71:00.0" in plan.refusals[0].seen


def test_another_device_in_its_place() -> None:
    after = {**moved(DESKTOP, {"0000:41:00": None}), "0000:41:00.0": function("144d:a80a", "010802", "nvme", "20")}
    plan = planned(after, recorded())
    assert (codes(plan), bound(plan)) == (["device_changed_identity"], [])
    assert "it was 10de:2684 (subsystem 1043:88e2) at 0000:41:00.0" in plan.refusals[0].seen
    assert "[144d:a80a], class 0108, driver nvme" in plan.refusals[0].seen


def test_gone() -> None:
    """The twin that the host keeps is not taken in its stead."""
    plan = planned(moved(DESKTOP, {"0000:41:00": None}), recorded())
    assert (codes(plan), bound(plan)) == (["device_not_found"], [])


def test_a_swapped_card_is_told_even_where_the_selection_fits_it() -> None:
    single = moved(DESKTOP, {"0000:01:00": None})
    record = recorded(single, ANY_GPU)
    new = {**moved(single, {"0000:41:00": None}), "0000:41:00.0": function("1002:744c", "030000", "amdgpu", "20")}
    plan = planned(new, record, ANY_GPU)
    assert codes(plan) == ["device_changed_identity"]
    assert "would find now" in plan.refusals[0].seen
    taken = planned(new, record, ANY_GPU, accepted="device_changed_identity")
    assert (codes(taken), bound(taken)) == ([], ["0000:41:00.0"])


def test_another_selection_begins_anew() -> None:
    other = GPU._replace(select=Selector(address="0000:01:00.0"))
    assert bound(planned(DESKTOP, recorded(), other)) == ["0000:01:00.0", "0000:01:00.1"]
    by_id = GPU._replace(functions="selected", bind_by="function")
    assert bound(planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), recorded(), by_id)) == ["0000:61:00.0"]


def test_members_of_the_group_are_found_again_too() -> None:
    shared = {**DESKTOP, "0000:42:00.0": function("8086:1572", "020000", "i40e", "20", parent="0000:00:03.1")}
    request = GPU._replace(with_group=(Selector(address="0000:42:00.0"),))
    record = recorded(shared, request)
    after = moved(shared, {"0000:41:00": "0000:61:00", "0000:42:00": "0000:62:00"})
    assert bound(planned(after, record, request)) == ["0000:61:00.0", "0000:61:00.1", "0000:62:00.0"]
    disk = {**moved(shared, {"0000:42:00": None}), "0000:42:00.0": function("144d:a80a", "010802", "nvme", "20")}
    assert codes(planned(disk, record, request)) == ["device_changed_identity", "group_shared_with_host"]
    # The card moved to a slot of its own: what shared its group stays with the host.
    apart = {**after, "0000:62:00.0": after["0000:62:00.0"]._replace(iommu_group="21")}
    plan = planned(apart, record, request)
    assert (codes(plan), bound(plan)) == ([], ["0000:61:00.0", "0000:61:00.1"])
    assert "stays with the host" in plan.notes[-1]


def test_two_selections_do_not_swap() -> None:
    """Each of two twins that guests get is known by where the other was."""
    other = DeviceRequest("other", Selector(address="0000:01:00.0"))
    record = recorded(DESKTOP, GPU, other)
    plan = planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), record, GPU, other)
    assert codes(plan) == []
    assert {one.address: one.name for one in plan.bindings if one.role == "selected"} == {
        "0000:01:00.0": "other",
        "0000:61:00.0": "gpu",
    }


def test_what_is_ours_until_the_next_boot_is_the_hosts_again() -> None:
    """A member that is no longer named is on vfio-pci still, and will not be after the boot: the group is not free."""
    shared = {**DESKTOP, "0000:42:00.0": function("8086:1572", "020000", "vfio-pci", "20")}
    assert codes(planned(shared, HostRecord(bound=("0000:42:00.0",)))) == ["group_shared_with_host"]
    assert codes(planned(shared, HostRecord())) == []


ONE, OTHER = "00-11-22-ff-ff-33-44-55", "00-11-22-ff-ff-33-44-66"


def numbered(functions: Functions, serials: Mapping[str, str | None]) -> Functions:
    """Return functions with the serial numbers of their slots."""
    return {address: one._replace(serial_number=serials.get(slot_of(address))) for address, one in functions.items()}


TWINS = numbered(DESKTOP, {"0000:41:00": ONE, "0000:01:00": OTHER})


def swapped(functions: Functions) -> Functions:
    """Return twins whose cards sit in each other's slot: the places are as they were, the numbers are not."""
    return numbered(
        functions,
        {"0000:41:00": TWINS["0000:01:00.0"].serial_number, "0000:01:00": TWINS["0000:41:00.0"].serial_number},
    )


def test_twins_that_swapped_slots_are_told_apart_by_serial_number() -> None:
    plan = planned(swapped(DESKTOP), recorded(TWINS))
    assert (codes(plan), bound(plan)) == ([], ["0000:01:00.0", "0000:01:00.1"])
    assert plan.bindings[0].identity.serial == ONE


def test_a_twin_in_its_place_is_not_taken_when_it_is_gone() -> None:
    """The same ids at the same address below the same bridge: but it is the host's."""
    after = numbered(moved(DESKTOP, {"0000:01:00": None}), {"0000:41:00": OTHER})
    assert (codes(planned(after, recorded(TWINS))), bound(planned(after, recorded(TWINS)))) == (
        ["device_changed_identity"],
        [],
    )


def test_a_twin_in_its_place_is_not_taken_where_only_the_twins_number_was_known() -> None:
    record = recorded(numbered(DESKTOP, {"0000:01:00": OTHER}))
    plan = planned(numbered(DESKTOP, {"0000:41:00": OTHER}), record)
    assert "0000:41:00.0" not in bound(plan)
    assert codes(plan) == ["device_changed_identity"]


def test_what_sleeps_is_known_by_its_place_and_keeps_its_number_in_the_record() -> None:
    """Else a second run would change the record: on vfio-pci a function sleeps until a guest has it."""
    record = recorded(TWINS)
    plan = planned(DESKTOP, record)
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.remembered == record.devices
    assert dict(plan.remembered[0].twins)["0000:01:00.0"].serial == OTHER
    # Elsewhere nothing tells that it is that one, and another selection tells nothing of this one.
    away = planned(moved(DESKTOP, {"0000:41:00": "0000:61:00"}), record)
    assert [identity.serial for _address, identity in away.remembered[0].functions] == [None]
    other = planned(DESKTOP, record, GPU._replace(select=Selector(address="0000:41:00.0", vendor=("10de",))))
    assert [identity.serial for _address, identity in other.remembered[0].functions] == [None]


def test_a_number_that_is_learned_later_is_recorded() -> None:
    plan = planned(TWINS, recorded(DESKTOP))
    assert (codes(plan), bound(plan)) == ([], ["0000:41:00.0", "0000:41:00.1"])
    assert plan.remembered == recorded(TWINS).devices


def ports(first: str, serial: str) -> dict[str, PciFunction]:
    """Return a NIC of two ports: the same ids and the same number, in groups of their own."""
    port = function("8086:1572", "020000", "i40e", None, parent="0000:00:04.1", serial_number=serial)
    return {f"{first}.{number}": port._replace(iommu_group=f"{30 + number}") for number in (0, 1)}


PORT = DeviceRequest("port", Selector(address="0000:51:00.1"), functions="selected")


@pytest.mark.parametrize("slot", ["0000:51:00", "0000:52:00"])
def test_ports_of_one_card_share_its_number_and_keep_theirs(slot: str) -> None:
    record = recorded({**DESKTOP, **ports("0000:51:00", ONE)}, PORT)
    plan = planned({**DESKTOP, **ports(slot, ONE)}, record, PORT)
    assert (codes(plan), bound(plan)) == ([], [f"{slot}.1"])


@pytest.mark.parametrize("there", [True, False])
def test_a_number_that_a_maker_gave_to_all_cards_tells_nothing(there: bool) -> None:
    """As Realtek does. Both moved up, so that the host's has the address of the guest's; or the guest's is gone."""
    same = numbered(DESKTOP, {"0000:41:00": ONE, "0000:01:00": ONE})
    places = {"0000:01:00": "0000:41:00", "0000:41:00": "0000:61:00" if there else None}
    plan = planned(moved(same, places), recorded(same))
    assert bound(plan) == (["0000:61:00.0", "0000:61:00.1"] if there else [])
    assert codes(plan) == ([] if there else ["device_changed_identity"])


SLOTS = ["0000:01:00", "0000:02:00", "0000:03:00", "0000:41:00", "0000:51:00", "0000:61:00"]


@settings(deadline=None)
@given(st.permutations(SLOTS), st.sets(st.sampled_from(SLOTS[:4])))
def test_wherever_things_go_nothing_else_is_bound(order: list[str], gone: set[str]) -> None:
    """Renumbered in any way below the same bridges: never is its twin taken, nor the disk, nor the NIC."""
    places: dict[str, str | None] = dict(zip(SLOTS, order, strict=True))
    places.update(dict.fromkeys(gone))
    after = moved(DESKTOP, places)
    plan = planned(after, recorded())
    here = places["0000:41:00"]
    assert bound(plan) == ([] if here is None else [f"{here}.0", f"{here}.1"])
    assert codes(plan) == (
        [] if here else ["device_changed_identity" if "0000:41:00.0" in after else "device_not_found"]
    )
    # Once found, it is there: a second run has nothing to tell.
    if not plan.refusals:
        again = planned(after, HostRecord(plan.remembered, tuple(bound(plan))))
        assert (again.bindings, again.notes) == (plan.bindings, ())


@settings(deadline=None)
@given(
    st.permutations(SLOTS),
    st.dictionaries(st.sampled_from(["0000:01:00", "0000:41:00"]), st.sampled_from(["0000:00:03.1", "0000:00:04.1"])),
    st.sets(st.sampled_from(["0000:01:00", "0000:41:00"])),
)
def test_wherever_numbered_twins_go_the_hosts_is_not_bound(
    order: list[str], parents: dict[str, str], asleep: set[str]
) -> None:
    """In any slot below any bridge, awake it is found; asleep it is found or refused, and never is it the other."""
    places: dict[str, str | None] = dict(zip(SLOTS, order, strict=True))
    awake = {
        address: one._replace(serial_number=None if slot_of(address) in asleep else one.serial_number)
        for address, one in TWINS.items()
    }
    plan = planned(moved(awake, places, parents), recorded(TWINS))
    if "0000:41:00" not in asleep:
        assert bound(plan) == [f"{places['0000:41:00']}.0", f"{places['0000:41:00']}.1"]
    elif "0000:01:00" not in asleep:
        assert f"{places['0000:01:00']}.0" not in bound(plan)
