# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From device requests to the functions to bind to vfio-pci, or to refusals."""

from __future__ import annotations

from typing import AbstractSet, Iterable, Iterator, NamedTuple, Sequence

from .._machine import Machine
from .._machine.desired import ALL, BY_ID, DeviceRequest, Selector
from .._machine.host_plan import NAMED, SAME_SLOT, SELECTED, Binding, HostRecord, RecordedDevice
from .._machine.plan import Refusal
from .groups import group_notes, group_refusals
from .late_functions import late_notes, with_absent_functions
from .notation import address_order
from .refusals import refuse
from .relocation import locate_device, record_device, recorded_device, twins_of
from .select import (
    Selection,
    describe,
    endpoints,
    functions_of_slot,
    identity_of,
    is_needed,
    listed,
    matching,
    may_have_outputs,
    nothing_matches,
    select_device,
    selector_text,
    uses_text,
)
from .udev_rule import GATE, ids_argument


class DevicesPlan(NamedTuple):
    """The functions to bind."""

    bindings: tuple[Binding, ...]  # in bus order
    arguments: tuple[str, ...]  # units
    recorded: tuple[RecordedDevice, ...]  # for the next run
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]  # for the user


class _Resolution(NamedTuple):
    """What one request resolves to."""

    bindings: tuple[Binding, ...]
    recorded: tuple[RecordedDevice, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


def plan_devices(
    machine: Machine, requests: Sequence[DeviceRequest], record: HostRecord, accepted: AbstractSet[str] = frozenset()
) -> DevicesPlan:
    """Return the functions to bind, and every reason not to bind them.

    Args:
        machine: The machine.
        requests: The requested devices.
        record: What earlier runs selected.
        accepted: Codes of refusals to override. Where a recorded device is not found, and the refusal for it is
            overridden, its selector is applied again.
    """
    absent: AbstractSet[str] = frozenset()
    if "device_not_found" not in accepted:
        machine, absent = with_absent_functions(machine, requests, record)
    resolutions = [_resolve(machine, request, record, accepted) for request in requests]
    bindings = _unique(binding for resolution in resolutions for binding in resolution.bindings)
    present = tuple(binding for binding in bindings if binding.address not in absent)
    refusals = [
        *(refusal for resolution in resolutions for refusal in resolution.refusals),
        *(refusal for binding in bindings for refusal in _function_refusals(machine, binding)),
        *group_refusals(machine, present, record),
        *_ids_refusals(machine, bindings),
        *(_kernel_refusals(machine) if bindings else ()),
    ]
    notes = [
        *(note for resolution in resolutions for note in resolution.notes),
        *_use_notes(machine, bindings),
        *group_notes(machine, present, record),
        *late_notes(machine, bindings, absent),
    ]
    ids = ids_argument(bindings)
    return DevicesPlan(
        bindings=bindings,
        arguments=((f"{GATE}=1",) if bindings else ()) + ((ids,) if ids else ()),
        recorded=tuple(device for resolution in resolutions for device in resolution.recorded),
        refusals=tuple(refusals),
        notes=tuple(notes),
    )


def _unique(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return one binding for each function, in bus order: the first that selects it, otherwise the first."""
    unique: dict[str, Binding] = {}
    for binding in sorted(bindings, key=lambda binding: binding.role != SELECTED):
        unique.setdefault(binding.address, binding)
    return tuple(unique[address] for address in sorted(unique, key=address_order))


def _resolve(machine: Machine, request: DeviceRequest, record: HostRecord, accepted: AbstractSet[str]) -> _Resolution:
    """Return what a request resolves to: its device first, then the items of with_group."""
    whole_slot = request.functions == ALL
    fresh = select_device(machine, request.name, request.select, whole_slot=whole_slot)
    earlier = recorded_device(record, request.name, 0, request.select)
    device = _recorded_or_fresh(machine, earlier, fresh, record, accepted)
    if not device.addresses:
        return _Resolution((), (), device.refusals, device.notes)
    members = [
        _group_members(machine, request, index, device.addresses, record, accepted)
        for index in range(len(request.with_group))
    ]
    slot = functions_of_slot(machine, device.addresses[0]) if whole_slot else ()
    roles = {  # a function that occurs more than once has its last role
        **{address: NAMED for selection in members for address in selection.addresses},
        **dict.fromkeys(slot, SAME_SLOT),
        **dict.fromkeys(device.addresses, SELECTED),
    }
    selections = (device, *members)
    return _Resolution(
        bindings=tuple(_binding(machine, request, address, role) for address, role in roles.items()),
        recorded=tuple(_recorded(machine, request, record, selections, slot)),
        refusals=tuple(refusal for selection in selections for refusal in selection.refusals),
        notes=tuple(note for selection in selections for note in selection.notes),
    )


def _recorded(
    machine: Machine,
    request: DeviceRequest,
    record: HostRecord,
    selections: Sequence[Selection],
    slot: Sequence[str],
) -> Iterator[RecordedDevice]:
    """Yield what to record of each selection, with the device's companions in its slot: the device is the first."""
    selectors = (request.select, *request.with_group)
    for position, (selector, selection) in enumerate(zip(selectors, selections)):
        if selection.addresses:
            companions = () if position else tuple(address for address in slot if address not in selection.addresses)
            yield record_device(machine, record, request.name, position, selector, selection.addresses, companions)


def _binding(machine: Machine, request: DeviceRequest, address: str, role: str) -> Binding:
    identity = identity_of(machine.pci[address])
    return Binding(request.name, address, identity, role, request.bind_by, twins_of(machine, address))


def _recorded_or_fresh(
    machine: Machine,
    earlier: RecordedDevice | None,
    fresh: Selection,
    record: HostRecord,
    accepted: AbstractSet[str],
) -> Selection:
    """Return where a recorded device is now; the fresh selection where none is recorded, or its loss is accepted."""
    if earlier is None:
        return fresh
    located = locate_device(machine, earlier, record)
    if any(refusal.code in accepted for refusal in located.refusals):
        return fresh
    if located.refusals and fresh.addresses:
        (refusal,) = located.refusals
        seen = f"{refusal.seen}\n  The selection now matches:{listed(machine, fresh.addresses)}"
        return Selection((), (refusal._replace(seen=seen),))
    before = tuple(address for address, _identity in earlier.functions)
    if located.addresses and located.addresses != before:
        moved = f"{earlier.name}: moved from {', '.join(before)} to {', '.join(located.addresses)}"
        return located._replace(notes=(moved,))
    return located


def _group_members(
    machine: Machine,
    request: DeviceRequest,
    index: int,
    device: Sequence[str],
    record: HostRecord,
    accepted: AbstractSet[str],
) -> Selection:
    """Return the functions that one item of with_group selects: all matching members of the device's IOMMU groups."""
    selector = request.with_group[index]
    name = f"{request.name}, with_group[{index}]"
    numbers = [machine.pci[address].iommu_group for address in device]
    groups = [number for number in dict.fromkeys(numbers) if number is not None]
    if groups:
        fresh = _matching_members(machine, name, selector, groups)
    else:  # The IOMMU is still disabled: while groups are unknown, the selector must match one function of all.
        fresh = select_device(machine, name, selector, whole_slot=False)
    earlier = recorded_device(record, request.name, index + 1, selector)
    selection = _recorded_or_fresh(machine, earlier, fresh, record, accepted)
    outside = [address for address in selection.addresses if groups and machine.pci[address].iommu_group not in groups]
    if not outside:
        return selection
    note = f"{name}: {', '.join(outside)} no longer shares the device's IOMMU group and stays with the host"
    inside = tuple(address for address in selection.addresses if address not in outside)
    return selection._replace(addresses=inside, notes=(*selection.notes, note))


def _matching_members(machine: Machine, name: str, selector: Selector, groups: Sequence[str]) -> Selection:
    iommu_groups = machine.iommu.groups
    members = [member for number in groups if number in iommu_groups for member in iommu_groups[number].members]
    matches = matching(machine, selector, endpoints(machine, members))
    if matches:
        return Selection(matches, ())
    seen = f"{name}: no member of IOMMU group {', '.join(groups)} matches {selector_text(selector)}; its members are:"
    return Selection((), (nothing_matches(seen + listed(machine, members)),))


def _function_refusals(machine: Machine, binding: Binding) -> Iterator[Refusal]:
    function = machine.pci[binding.address]
    description = f"{binding.name}: {describe(machine, binding.address)}"
    if binding.role == SAME_SLOT:
        description += (
            "\n  It is in the slot of the selected device; with `functions: selected` it stays with the host."
        )
    if function.boot_display:
        yield refuse("device_is_boot_display", description)
    elif function.boot_display is None and may_have_outputs(function):
        seen = f"{description}\n  Whether the firmware uses it as the boot display is unknown."
        remedy = "Find out; if it is not the boot display, set accept: [device_is_boot_display]."
        yield refuse("device_is_boot_display", seen, remedy=remedy)
    if is_needed(function):
        yield refuse("device_in_use", description)


def _use_notes(machine: Machine, bindings: Sequence[Binding]) -> Iterator[str]:
    for binding in bindings:
        function = machine.pci[binding.address]
        processes = tuple(use for use in function.in_use_by if use.kind == "process")
        if processes:
            uses = ", ".join(uses_text(function._replace(in_use_by=processes)))
            yield f"{binding.name}: {binding.address} is handed over at the next boot; until then it is in use: {uses}"


def _ids_refusals(machine: Machine, bindings: Sequence[Binding]) -> Iterator[Refusal]:
    bound = {binding.address for binding in bindings}
    for binding in bindings:
        host_twins = [twin for twin in binding.twins if twin not in bound]
        if binding.bind_by == BY_ID and host_twins:
            seen = (
                f"{binding.name}: `bind_by: id` binds {binding.address} by its ids, which these host devices have too:"
            )
            yield refuse("ids_match_a_host_device", seen + listed(machine, host_twins))


def _kernel_refusals(machine: Machine) -> Iterator[Refusal]:
    for kernel in machine.boot.kernels:
        if kernel.has_vfio_pci is False:
            seen = f"kernel {kernel.version} has no vfio-pci driver, neither as a module nor built in"
            yield refuse("kernel_lacks_vfio", seen)
