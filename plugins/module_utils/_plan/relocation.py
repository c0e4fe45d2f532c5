# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a device is that an earlier run selected: firmware and other cards renumber the bus, and people move cards.

What was recorded stands for the device that was meant: never is another one taken because it sits in the old place.
"""

from __future__ import annotations

from typing import Iterator

from .._machine import Machine
from .._machine.desired import Selector
from .._machine.host_plan import HostRecord, Identity, RecordedDevice
from .._machine.plan import Refusal
from .notation import slot_of
from .refusals import refuse
from .select import Choice, describe, endpoints, identity_of, listed


def recorded(record: HostRecord, name: str, position: int, selector: Selector) -> RecordedDevice | None:
    """Return what a selection came to in an earlier run; None where there was none, or it was another selection."""
    for device in record.devices:
        if (device.name, device.position, device.select) == (name, position, selector) and device.functions:
            return device
    return None


def remember(
    machine: Machine, record: HostRecord, name: str, position: int, selector: Selector, addresses: tuple[str, ...]
) -> RecordedDevice:
    """Return what is to be kept of a selection.

    What sleeps shows no serial number: where it was, it is what it was.
    """
    earlier = recorded(record, name, position, selector)
    known = {} if earlier is None else {place: one.serial for place, one in (*earlier.functions, *earlier.twins)}
    places = set() if earlier is None else {_without_serial(*one) for one in (*earlier.functions, *earlier.twins)}

    def kept(address: str) -> tuple[str, Identity]:
        identity = identity_of(machine.pci[address])
        if identity.serial is None and (address, identity) in places:
            identity = identity._replace(serial=known[address])
        return address, identity

    twins = tuple(kept(address) for address in twins_of(machine, addresses[0]) if address not in addresses)
    return RecordedDevice(name, position, selector, tuple(map(kept, addresses)), twins)


def _without_serial(address: str, identity: Identity) -> tuple[str, Identity]:
    return address, identity._replace(serial=None)


def twins_of(machine: Machine, address: str) -> tuple[str, ...]:
    """Return the other functions with the same ids."""
    ids = identity_of(machine.pci[address]).ids
    return tuple(one for one in endpoints(machine) if one != address and identity_of(machine.pci[one]).ids == ids)


def find_again(machine: Machine, device: RecordedDevice, record: HostRecord) -> Choice:
    """Return where the functions of an earlier selection are now, or why that can't be told."""
    addresses: list[str] = []
    for address, identity in device.functions:
        found = _find(machine, address, identity, set(_others(device, record)))
        if isinstance(found, Refusal):
            return Choice((), (found._replace(seen=f"{device.name}: {found.seen}"),))
        addresses.append(found)
    return Choice(tuple(dict.fromkeys(addresses)), ())


def _others(device: RecordedDevice, record: HostRecord) -> Iterator[tuple[str, Identity]]:
    """Yield what is known of functions that this one could be mistaken for."""
    yield from device.twins
    for other in record.devices:
        if other is not device:
            yield from other.functions


def _find(machine: Machine, address: str, identity: Identity, others: set[tuple[str, Identity]]) -> str | Refusal:
    """Return where a function is now.

    A serial number decides, if no other card had the same. Without one a place does: address and bridge together, or
    the bridge alone, which is the slot that the card is in. Else it is the one that is in no place where another like
    it was.
    """
    now = {one: identity_of(machine.pci[one]) for one in endpoints(machine)}
    others_serials = {other.serial for place, other in others if slot_of(place) != slot_of(address)} - {None}
    alike = [
        one
        for one in now
        if _may_be(now[one], identity) and (now[one].serial == identity.serial or now[one].serial not in others_serials)
    ]
    telling = identity.serial is not None and identity.serial not in others_serials
    by_serial = _of_card([one for one in alike if telling and now[one].serial == identity.serial], address)
    if by_serial:
        alike = by_serial
    elif address in alike and now[address].parent == identity.parent:
        return address
    else:
        alike = [
            one for one in alike if (one, now[one].parent) not in {(place, other.parent) for place, other in others}
        ]
        in_slot = [one for one in alike if identity.parent and now[one].parent == identity.parent]
        slots = {other.parent for _place, other in others if other.parent and other.ids == identity.ids}
        alike = in_slot if len(in_slot) == 1 else [one for one in alike if now[one].parent not in slots]
    if len(alike) == 1:
        return alike[0]
    was = f"it was {_ids_text(identity)} at {address}"
    if alike:
        return refuse(
            "device_ambiguous", f"{was}, and is one of these now, but which can't be told:{listed(machine, alike)}"
        )
    if address in machine.pci:
        return refuse(
            "device_changed_identity", f"{was}, and is nowhere now; there is:\n    {describe(machine, address)}"
        )
    return refuse("device_not_found", f"{was}, where nothing is now, and it is nowhere else")


def _of_card(same: list[str], address: str) -> list[str]:
    """Return which of the functions with a serial number it is: those of one card share it, and differ by their number.

    Nothing where several cards have it: some makers give all of a model the same.
    """
    if len({slot_of(one) for one in same}) != 1:
        return []
    return [one for one in same if one[-1] == address[-1]] or same


def _may_be(found: Identity, wanted: Identity) -> bool:
    if None not in (found.serial, wanted.serial) and found.serial != wanted.serial:
        return False
    return found.ids == wanted.ids


def _ids_text(identity: Identity) -> str:
    subsystem = (
        f" (subsystem {identity.subsystem_vendor}:{identity.subsystem_device})" if identity.subsystem_vendor else ""
    )
    return f"{identity.vendor}:{identity.device}{subsystem}"
