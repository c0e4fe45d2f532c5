# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which function a selector means: one, or a refusal that lists those in question."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Sequence

from .._machine import Machine, PciFunction
from .._machine.desired import Selector
from .._machine.host_plan import Identity
from .._machine.plan import Refusal
from .notation import address_order, slot_of
from .refusals import refuse

# Class 06 is all bridges: to the host bus, ISA, PCI. 0806 is the IOMMU itself. They stay with the kernel.
_NEVER_GIVEN = ("06", "0806")
_GRAPHICS, _PROCESSOR = "1002", "1022"
_MOST_LISTED = 12


class Choice(NamedTuple):
    """What a selector comes to."""

    addresses: tuple[str, ...]  # of all functions that fit, of one slot
    refusals: tuple[Refusal, ...]


def identity_of(function: PciFunction) -> Identity:
    """Return what a function is."""
    return Identity(
        vendor=function.vendor,
        device=function.device,
        subsystem_vendor=function.subsystem_vendor,
        subsystem_device=function.subsystem_device,
        class_=function.class_,
        parent=function.parent,
        serial=function.serial_number,
    )


def is_endpoint(function: PciFunction) -> bool:
    """Tell whether a function is one that may go to a guest, as far as its kind goes."""
    return not (function.bridge or (function.class_ or "").startswith(_NEVER_GIVEN))


def endpoints(machine: Machine, addresses: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the addresses of functions that may go to a guest, in bus order."""
    among = machine.pci if addresses is None else [address for address in addresses if address in machine.pci]
    found = (address for address in among if is_endpoint(machine.pci[address]))
    known = (one for one in found if machine.pci[one].vendor and machine.pci[one].device)
    return tuple(sorted(known, key=address_order))


def functions_of_slot(machine: Machine, address: str) -> tuple[str, ...]:
    """Return the functions of a function's slot that may go to a guest with it, itself among them.

    AMD's processors with graphics have these (maker 1002) in one slot with USB controllers, the security processor and
    sound (maker 1022), each in a group of its own. On no card are there both.
    """
    apart = {_GRAPHICS: _PROCESSOR, _PROCESSOR: _GRAPHICS}.get(machine.pci[address].vendor or "")
    slot = (one for one in endpoints(machine) if slot_of(one) == slot_of(address))
    return tuple(one for one in slot if apart is None or machine.pci[one].vendor != apart)


def fitting(machine: Machine, selector: Selector, among: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses whose functions fit a selector."""
    return tuple(one for one in among if all(_criteria(selector, one, machine.pci[one]).values()))


def choose(machine: Machine, name: str, selector: Selector, *, whole_slot: bool) -> Choice:
    """Return what a selector means.

    Args:
        machine: The machine.
        name: Of the request.
        selector: What the device must be like.
        whole_slot: Whether all of the slot is wanted: several functions that fit are one device, if they share it.
    """
    among = endpoints(machine)
    found = fitting(machine, selector, among)
    devices = {slot_of(address) for address in found} if whole_slot else set(found)
    if len(devices) == 1:
        return Choice(found, ())
    if not found:
        return Choice((), (_not_found(machine, name, selector, among),))
    seen = f"{name}: {len(devices)} devices are {selector_text(selector)}:{listed(machine, found)}"
    return Choice((), (refuse("device_ambiguous", seen),))


def _not_found(machine: Machine, name: str, selector: Selector, among: Sequence[str]) -> Refusal:
    seen = f"{name}: no device is {selector_text(selector)}"
    address = selector.address or ""
    there = machine.pci.get(address)
    if there is not None and not is_endpoint(there):
        return refuse(
            "device_not_found", f"{seen}; bridges and the IOMMU stay with the host:{listed(machine, [address])}"
        )
    # What fits in most respects is what a slip of the pen may have meant.
    scores = {one: _likeness(selector, one, machine.pci[one]) for one in among}
    best = max(scores.values(), default=0)
    near = [one for one in among if best and scores[one] == best] or [one for one in among if _is_display(machine, one)]
    if not near:
        return refuse("device_not_found", f"{seen}; there is nothing like it.")
    return refuse("device_not_found", f"{seen}; the nearest are:{listed(machine, near)}")


def _likeness(selector: Selector, address: str, function: PciFunction) -> int:
    """Return in how many respects a function is what is asked for; what most functions have says nothing."""
    return sum(holds for key, holds in _criteria(selector, address, function).items() if key != "boot_display")


def _is_display(machine: Machine, address: str) -> bool:
    return (machine.pci[address].class_ or "").startswith("03")


def _criteria(selector: Selector, address: str, function: PciFunction) -> dict[str, bool]:
    """Return for each thing that a selector asks for whether a function has it."""
    names = f"{function.vendor_name or ''} {function.device_name or ''}".lower()
    asked = {
        "address": (selector.address, selector.address == address),
        "slot": (selector.slot, selector.slot == slot_of(address)),
        "class": (selector.class_, (function.class_ or "").startswith(selector.class_ or ())),
        "vendor": (selector.vendor, function.vendor in (selector.vendor or ())),
        "device": (selector.device, function.device == selector.device),
        "subsystem_vendor": (selector.subsystem_vendor, function.subsystem_vendor == selector.subsystem_vendor),
        "subsystem_device": (selector.subsystem_device, function.subsystem_device == selector.subsystem_device),
        "model": (selector.model, all(word in names for word in selector.model or ())),
        # What can't be told is no reason to pass over a device: whether it may be taken is judged later.
        "boot_display": (selector.boot_display, bool(function.boot_display) == selector.boot_display),
        "driver": (selector.driver, (function.driver or "").lower() == selector.driver),
    }
    return {key: holds for key, (wanted, holds) in asked.items() if wanted is not None}


def selector_text(selector: Selector) -> str:
    """Return a selector for a person, as it is written: `{class: display, boot_display: false}`."""
    parts = []
    for key, value in zip(selector._fields, selector):
        if key == "class_" or value is None:
            continue
        shown = " ".join(value) if isinstance(value, tuple) else value
        shown = str(shown).lower() if isinstance(value, bool) else shown
        parts.append(f"{'class' if key == 'class_name' else key}: {shown}")
    return "{" + ", ".join(parts) + "}"


def listed(machine: Machine, addresses: Iterable[str]) -> str:
    """Return devices for a person, a line each, beginning with an end of line."""
    ordered = sorted(addresses, key=address_order)
    lines = [f"\n    {describe(machine, address)}" for address in ordered[:_MOST_LISTED]]
    if len(ordered) > _MOST_LISTED:
        lines.append(f"\n    and {len(ordered) - _MOST_LISTED} more")
    return "".join(lines)


def describe(machine: Machine, address: str) -> str:
    """Return one line that tells a person which device this is, and how it stands with it."""
    function = machine.pci.get(address)
    if function is None:
        return f"{address} (not a PCI function)"
    ids = f"[{function.vendor or '????'}:{function.device or '????'}]"
    parts = [" ".join(filter(None, (address, function.vendor_name, function.device_name, ids)))]
    parts.append(f"class {(function.class_ or '?')[:4]}")
    parts.append(f"driver {function.driver or 'none'}")
    parts.append(f"group {function.iommu_group or 'none'}")
    if function.boot_display:
        parts.append("boot display")
    parts.extend(uses_text(function))
    return ", ".join(parts)


def uses_text(function: PciFunction) -> list[str]:
    """Return for each use of a function what the host would lose."""
    return [f"{use.kind.replace('_', ' ')} {use.name} (by {use.via})" for use in function.in_use_by]
