# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what devices are wanted to the functions that shall be on vfio-pci, or to refusals."""

from __future__ import annotations

from typing import AbstractSet, Iterable, Iterator, NamedTuple, Sequence

from .._machine import Machine
from .._machine.desired import ALL, BY_ID, DeviceRequest, Selector
from .._machine.host_plan import NAMED, SAME_SLOT, SELECTED, Binding, HostRecord, RecordedDevice
from .._machine.plan import Refusal
from .groups import group_notes, group_refusals
from .notation import address_order
from .refusals import refuse
from .relocation import find_again, recorded, remember, twins_of
from .select import (
    Choice,
    choose,
    describe,
    endpoints,
    fitting,
    functions_of_slot,
    identity_of,
    listed,
    selector_text,
    uses_text,
)
from .udev_rule import GATE, ids_argument

#: What the host would lose for good. A process (a display server, a sound server) goes on without the device after the
#: next boot, which is when it changes hands; a virtual machine has it already.
_PASSING_USES = ("process", "virtual_machine")
# 3D controllers have no outputs, so that no firmware draws on them (PCI Code and ID Assignment, class 03 02).
_WITHOUT_OUTPUTS = "0302"


class DevicesPlan(NamedTuple):
    """Which functions are bound."""

    bindings: tuple[Binding, ...]  # in bus order
    arguments: tuple[str, ...]  # units
    remembered: tuple[RecordedDevice, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


class _Found(NamedTuple):
    bindings: list[Binding]
    remembered: list[RecordedDevice]
    refusals: list[Refusal]
    notes: list[str]


def plan_devices(
    machine: Machine, requests: Sequence[DeviceRequest], record: HostRecord, accepted: AbstractSet[str] = frozenset()
) -> DevicesPlan:
    """Return the functions that shall be bound, and every reason why they should not be.

    Args:
        machine: The machine.
        requests: The devices that are wanted.
        record: What earlier runs selected.
        accepted: Codes of refusals that the person takes upon them: with device_changed_identity and device_not_found
            among them, what is not where it was is looked for by its selection again.
    """
    found = _Found([], [], [], [])
    for request in requests:
        _resolve(machine, request, record, accepted, found)
    bindings = _once(found.bindings)
    refusals = [
        *found.refusals,
        *(one for binding in bindings for one in _function_refusals(machine, binding)),
        *group_refusals(machine, bindings, record),
        *_caught_by_ids(machine, bindings),
    ]
    if bindings:
        refusals.extend(_kernels_without_vfio(machine))
    notes = [*found.notes, *_use_notes(machine, bindings), *group_notes(machine, bindings, record)]
    ids = ids_argument(bindings)
    arguments = ((f"{GATE}=1",) if bindings else ()) + ((ids,) if ids else ())
    return DevicesPlan(bindings, arguments, tuple(found.remembered), tuple(refusals), tuple(notes))


def _once(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return each function once, as whoever selected it first wants it."""
    unique: dict[str, Binding] = {}
    for binding in sorted(bindings, key=lambda one: one.role != SELECTED):
        unique.setdefault(binding.address, binding)
    return tuple(unique[address] for address in sorted(unique, key=address_order))


def _resolve(
    machine: Machine, request: DeviceRequest, record: HostRecord, accepted: AbstractSet[str], found: _Found
) -> None:
    """Add what a request comes to."""
    whole_slot = request.functions == ALL
    choice = _main(machine, request, record, accepted, found)
    found.refusals.extend(choice.refusals)
    if not choice.addresses:
        return
    roles = dict.fromkeys(choice.addresses, SELECTED)
    if whole_slot:
        for address in functions_of_slot(machine, choice.addresses[0]):
            roles.setdefault(address, SAME_SLOT)
    found.remembered.append(remember(machine, record, request.name, 0, request.select, choice.addresses))
    for position, selector in enumerate(request.with_group, 1):
        members = _members(machine, request, position, choice.addresses, record, accepted, found)
        found.refusals.extend(members.refusals)
        if members.addresses:
            found.remembered.append(remember(machine, record, request.name, position, selector, members.addresses))
        for address in members.addresses:
            roles.setdefault(address, NAMED)
    for address, role in roles.items():
        identity = identity_of(machine.pci[address])
        twins = twins_of(machine, address)
        found.bindings.append(Binding(request.name, address, identity, role, request.bind_by, twins))


def _main(
    machine: Machine, request: DeviceRequest, record: HostRecord, accepted: AbstractSet[str], found: _Found
) -> Choice:
    """Return the selected functions: those of an earlier run, wherever they are now, or those that fit."""
    fresh = choose(machine, request.name, request.select, whole_slot=request.functions == ALL)
    return _as_before(machine, recorded(record, request.name, 0, request.select), fresh, record, accepted, found)


def _as_before(
    machine: Machine,
    earlier: RecordedDevice | None,
    fresh: Choice,
    record: HostRecord,
    accepted: AbstractSet[str],
    found: _Found,
) -> Choice:
    """Return what a selection stands for since an earlier run, or else what it finds now."""
    if earlier is None:
        return fresh
    again = find_again(machine, earlier, record)
    if any(refusal.code in accepted for refusal in again.refusals):
        return fresh
    if again.refusals and fresh.addresses:
        (refusal,) = again.refusals
        seen = f"{refusal.seen}\n  What the selection would find now:{listed(machine, fresh.addresses)}"
        return Choice((), (refusal._replace(seen=seen),))
    before = tuple(address for address, _identity in earlier.functions)
    if again.addresses and again.addresses != before:
        now = ", ".join(again.addresses)
        found.notes.append(f"{earlier.name}: what was at {', '.join(before)} is at {now} now")
    return again


def _members(
    machine: Machine,
    request: DeviceRequest,
    position: int,
    of_device: Sequence[str],
    record: HostRecord,
    accepted: AbstractSet[str],
    found: _Found,
) -> Choice:
    """Return the members of the group that one item of with_group names: all that fit."""
    selector = request.with_group[position - 1]
    name = f"{request.name}, with_group[{position - 1}]"
    numbers = [machine.pci[address].iommu_group for address in of_device]
    groups = [number for number in dict.fromkeys(numbers) if number is not None]
    if not groups:  # the IOMMU is off as yet: only what is plain without groups can be told
        fresh = choose(machine, name, selector, whole_slot=False)
    else:
        fresh = _members_fitting(machine, name, selector, groups)
    choice = _as_before(machine, recorded(record, request.name, position, selector), fresh, record, accepted, found)
    apart = [one for one in choice.addresses if groups and machine.pci[one].iommu_group not in groups]
    if apart:
        found.notes.append(f"{name}: {', '.join(apart)} does not share the device's group now, and stays with the host")
    return choice._replace(addresses=tuple(one for one in choice.addresses if one not in apart))


def _members_fitting(machine: Machine, name: str, selector: Selector, groups: Sequence[str]) -> Choice:
    members = [one for group in groups if group in machine.iommu.groups for one in machine.iommu.groups[group].members]
    fit = fitting(machine, selector, endpoints(machine, members))
    if fit:
        return Choice(fit, ())
    seen = f"{name}: no member of group {', '.join(groups)} is {selector_text(selector)}; it has:"
    return Choice((), (refuse("device_not_found", seen + listed(machine, members)),))


def _function_refusals(machine: Machine, binding: Binding) -> Iterator[Refusal]:
    function = machine.pci[binding.address]
    told = f"{binding.name}: {describe(machine, binding.address)}"
    if binding.role == SAME_SLOT:
        told += "\n  It is in the slot of what was selected; with functions: selected it stays with the host."
    is_display = (function.class_ or "").startswith("03")
    if function.boot_display:
        yield refuse("device_is_boot_display", told)
    elif is_display and function.boot_display is None and not (function.class_ or "").startswith(_WITHOUT_OUTPUTS):
        seen = f"{told}\n  Whether it is the display that the firmware uses can't be told."
        remedy = "Find out; if it is not, accept: [device_is_boot_display]."
        yield refuse("device_is_boot_display", seen, remedy=remedy)
    if any(use.kind not in _PASSING_USES for use in function.in_use_by):
        yield refuse("device_in_use", told)


def _use_notes(machine: Machine, bindings: Sequence[Binding]) -> Iterator[str]:
    for binding in bindings:
        function = machine.pci[binding.address]
        uses = [use for use in function.in_use_by if use.kind == "process"]
        if uses:
            shown = ", ".join(uses_text(function._replace(in_use_by=tuple(uses))))
            yield f"{binding.name}: {binding.address} changes hands at the next boot; until then it is in use: {shown}"


def _caught_by_ids(machine: Machine, bindings: Sequence[Binding]) -> Iterator[Refusal]:
    bound = {binding.address for binding in bindings}
    for binding in bindings:
        caught = [twin for twin in binding.twins if twin not in bound]
        if binding.bind_by == BY_ID and caught:
            seen = f"{binding.name}: {binding.address} is to be bound by its ids, which these have too:"
            yield refuse("ids_match_a_host_device", seen + listed(machine, caught))


def _kernels_without_vfio(machine: Machine) -> Iterator[Refusal]:
    for kernel in machine.boot.kernels:
        if kernel.has_vfio_pci is False:
            seen = f"kernel {kernel.version} has no vfio-pci, neither as a module nor built in"
            yield refuse("kernel_lacks_vfio", seen)
