# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the devices that an earlier run selected, after firmware, other cards or people changed the PCI addresses.

A record stands for one physical device. Another device is never taken for it merely because it is at the recorded
address; where the two can't be distinguished, the plan is refused.

`locate` decides for one recorded function. The terms of the table:

  recorded        what the record says of the function: its address, its ids, the bridge above it, and its serial number
                  where that could be read
  other function  a function that the record knows beside it: its identical devices, and what other selectors selected
  other card      the card of one of these other functions, in another recorded slot than this function
  place           an address together with the bridge above it; a function on a root bus has no bridge
  candidate       a function of the machine that is no bridge and no IOMMU, and
                  - has the recorded ids, and
                  - is a virtual function if and only if the recorded one is; of the recorded physical function, only
                    the one at the recorded address, since these are numbered, and
                  - shows the recorded serial number; or one of the two serial numbers is unknown (a suspended function
                    shows none), and the one that it shows was recorded for no other card
  free candidate  a candidate at a place that was recorded for no other function

The cases, in the order of evaluation; the first that applies decides:

  SAME_SERIAL     The recorded serial number is known and was recorded for no other card, and the candidates that show
                  it are all in one slot. Found: the one of them with the recorded function number; where none has that
                  number, the only one of them, while several are AMBIGUOUS.
  SAME_PLACE      A candidate is at the recorded place. Found.
  SAME_BRIDGE     Exactly one free candidate is below the recorded bridge, and so in the same physical slot. Found.
  ONLY_CANDIDATE  Exactly one free candidate is not below a bridge that was recorded for another function with the
                  same ids. Found.
  AMBIGUOUS       Several free candidates are not below such a bridge. Refused: device_ambiguous.
  REPLACED        None is, and the recorded address has a function. Refused: device_changed_identity.
  MISSING         None is, and the recorded address has no function. Refused: device_not_found.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine
from .._machine.desired import Selector
from .._machine.host_plan import HostRecord, Identity, RecordedDevice
from .._machine.plan import Refusal
from .notation import slot_of
from .refusals import refuse
from .select import Selection, describe, endpoints, identity_of, is_removable, listed

#: Outcomes by which a function is found.
SAME_SERIAL, SAME_PLACE, SAME_BRIDGE = "same serial number", "same place", "same bridge"
ONLY_CANDIDATE = "only candidate"
#: Outcomes by which it is not.
AMBIGUOUS, REPLACED, MISSING = "ambiguous", "replaced", "missing"


class Location(NamedTuple):
    """Where a recorded function is now."""

    outcome: str  # a case of the table
    addresses: tuple[str, ...]  # where it is found, its address; where it is ambiguous, the candidates


class _Evidence(NamedTuple):
    """What the cases are decided by."""

    address: str  # recorded
    identity: Identity  # recorded
    others: AbstractSet[tuple[str, Identity]]  # other functions, as recorded
    candidates: Mapping[str, Identity]  # by present address


def locate(machine: Machine, address: str, identity: Identity, others: AbstractSet[tuple[str, Identity]]) -> Location:
    """Return where a function is now, by the table at the top of this file.

    Args:
        machine: The machine.
        address: Recorded address of the function.
        identity: Recorded identity of the function.
        others: Recorded addresses and identities of other functions.
    """
    evidence = _Evidence(address, identity, others, _candidates(machine, address, identity, others))
    for outcome, applies in _CASES:
        addresses = applies(evidence)
        if addresses:
            return Location(outcome if len(addresses) == 1 else AMBIGUOUS, addresses)
    return Location(REPLACED if address in machine.pci else MISSING, ())


def _candidates(
    machine: Machine, address: str, identity: Identity, others: AbstractSet[tuple[str, Identity]]
) -> dict[str, Identity]:
    foreign_serials = _serials_of_other_cards(address, others)
    present = {endpoint: identity_of(machine.pci[endpoint]) for endpoint in endpoints(machine)}
    return {
        endpoint: current
        for endpoint, current in present.items()
        if current.ids == identity.ids
        and _kind_matches(endpoint, current, address, identity)
        and _serial_may_match(current.serial, identity.serial, foreign_serials)
    }


def _kind_matches(current_address: str, current: Identity, address: str, identity: Identity) -> bool:
    if current.physical_function is None or identity.physical_function is None:
        return current.physical_function == identity.physical_function
    return current_address == address or current.physical_function != identity.physical_function


def _serial_may_match(current: str | None, recorded: str | None, foreign_serials: AbstractSet[str]) -> bool:
    if current == recorded:
        return True
    return None in (current, recorded) and current not in foreign_serials


def _same_serial(evidence: _Evidence) -> tuple[str, ...]:
    serial = evidence.identity.serial
    if serial is None or serial in _serials_of_other_cards(evidence.address, evidence.others):
        return ()
    same = tuple(address for address, current in evidence.candidates.items() if current.serial == serial)
    # Some makers give all cards of a model one number. Functions of one card share it, and differ by function number.
    if len({slot_of(address) for address in same}) != 1:
        return ()
    return tuple(address for address in same if address[-1] == evidence.address[-1]) or same


def _same_place(evidence: _Evidence) -> tuple[str, ...]:
    current = evidence.candidates.get(evidence.address)
    return (evidence.address,) if current is not None and current.parent == evidence.identity.parent else ()


def _same_bridge(evidence: _Evidence) -> tuple[str, ...]:
    bridge = evidence.identity.parent
    below = tuple(address for address, current in _free_candidates(evidence) if bridge and current.parent == bridge)
    return below if len(below) == 1 else ()


def _below_no_other_bridge(evidence: _Evidence) -> tuple[str, ...]:
    bridges = {
        other.parent for _address, other in evidence.others if other.parent and other.ids == evidence.identity.ids
    }
    return tuple(address for address, current in _free_candidates(evidence) if current.parent not in bridges)


#: The cases in the order of the table; each returns the addresses that it leaves, none where it does not apply.
_CASES: tuple[tuple[str, Callable[[_Evidence], tuple[str, ...]]], ...] = (
    (SAME_SERIAL, _same_serial),
    (SAME_PLACE, _same_place),
    (SAME_BRIDGE, _same_bridge),
    (ONLY_CANDIDATE, _below_no_other_bridge),
)


def _free_candidates(evidence: _Evidence) -> Iterator[tuple[str, Identity]]:
    places = {(address, other.parent) for address, other in evidence.others}
    for address, current in evidence.candidates.items():
        if (address, current.parent) not in places:
            yield address, current


def _serials_of_other_cards(address: str, others: AbstractSet[tuple[str, Identity]]) -> set[str]:
    return {
        other.serial
        for other_address, other in others
        if other.serial is not None and slot_of(other_address) != slot_of(address)
    }


def locate_device(machine: Machine, device: RecordedDevice, record: HostRecord) -> Selection:
    """Return where the functions of a recorded device are now, or a refusal where one of them is not found."""
    others = frozenset(other_functions(device, record))
    addresses: list[str] = []
    for address, identity in device.functions:
        location = locate(machine, address, identity, others)
        if location.outcome in (AMBIGUOUS, REPLACED, MISSING):
            return Selection((), (_refusal(machine, device.name, address, identity, location),))
        addresses.extend(location.addresses)
    return Selection(tuple(dict.fromkeys(addresses)), ())


def other_functions(device: RecordedDevice, record: HostRecord) -> Iterator[tuple[str, Identity]]:
    """Yield the other functions that the record knows beside those of a device."""
    yield from device.twins
    for other in record.devices:
        if other is not device:
            yield from other.functions


def _refusal(machine: Machine, name: str, address: str, identity: Identity, location: Location) -> Refusal:
    device = f"{name}: {_ids_text(identity)}"
    if location.outcome == AMBIGUOUS:
        seen = f"{device} was at {address}, and can be any of these now:{listed(machine, location.addresses)}"
        return refuse("device_ambiguous", seen)
    gone = f"{device} is no longer present (it was at {address})"
    if location.outcome == REPLACED:
        return refuse("device_changed_identity", f"{gone}; at that address is:\n    {describe(machine, address)}")
    remedy = "Put the device back or change its selection; accept: [device_not_found] applies the selection again."
    return refuse("device_not_found", gone, remedy=remedy)


def _ids_text(identity: Identity) -> str:
    subsystem = (
        f" (subsystem {identity.subsystem_vendor}:{identity.subsystem_device})" if identity.subsystem_vendor else ""
    )
    return f"{identity.vendor}:{identity.device}{subsystem}"


def recorded_device(record: HostRecord, name: str, position: int, selector: Selector) -> RecordedDevice | None:
    """Return the recorded result of a selector; None where there is none or the selector has changed since."""
    for device in record.devices:
        if (device.name, device.position, device.select) == (name, position, selector) and device.functions:
            return device
    return None


def record_device(
    machine: Machine,
    record: HostRecord,
    name: str,
    position: int,
    selector: Selector,
    addresses: Sequence[str],
    companions: Sequence[str] = (),
) -> RecordedDevice:
    """Return what to record of a selection.

    A suspended function shows no serial number. If it is where it was, it keeps the recorded one.

    Args:
        machine: The machine.
        record: What earlier runs selected.
        name: Name of the request.
        position: 0 for `select`, from 1 on for the items of with_group.
        selector: The selector.
        addresses: The functions that it selects.
        companions: The functions that are bound for being in the same slot.
    """
    earlier = recorded_device(record, name, position, selector)
    known = () if earlier is None else (*earlier.functions, *earlier.twins, *earlier.companions)
    serials = {(address, identity._replace(serial=None)): identity.serial for address, identity in known}

    def entry(address: str) -> tuple[str, Identity]:
        identity = identity_of(machine.pci[address])
        if identity.serial is None:
            identity = identity._replace(serial=serials.get((address, identity)))
        return address, identity

    twins = tuple(entry(address) for address in twins_of(machine, addresses[0]) if address not in addresses)
    return RecordedDevice(
        name,
        position,
        selector,
        functions=tuple(map(entry, addresses)),
        twins=twins,
        companions=tuple(map(entry, companions)),
        removable=is_removable(machine.pci[addresses[0]]),
    )


def twins_of(machine: Machine, address: str) -> tuple[str, ...]:
    """Return the addresses of identical devices: other functions with the same ids."""
    ids = identity_of(machine.pci[address]).ids
    return tuple(
        other for other in endpoints(machine) if other != address and identity_of(machine.pci[other]).ids == ids
    )
