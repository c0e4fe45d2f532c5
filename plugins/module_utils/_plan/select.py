# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which device a selector matches: exactly one, or a refusal that lists the candidates."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Sequence

from .._machine import Machine, PciFunction
from .._machine.desired import Selector
from .._machine.host_plan import Identity
from .._machine.plan import Refusal
from .notation import address_order, slot_of
from .refusals import refuse

# Class 06 is all bridges: host, ISA, PCI. 0806 is the IOMMU itself. They stay with the host.
_NEVER_ASSIGNABLE = ("06", "0806")
# 3D controllers have no outputs, so firmware can't use them as the display (PCI Code and ID Assignment, class 03 02).
_DISPLAY, _WITHOUT_OUTPUTS = "03", "0302"
_AMD_GRAPHICS, _AMD_PROCESSOR = "1002", "1022"  # AMD's two vendor ids
_MOST_LISTED = 12
#: Value of PciFunction.removable.
REMOVABLE = "removable"
_CHOOSE_LISTED = (
    "Change the selection so that it matches one of the listed devices; vfio.workstation.report lists all devices."
)

#: A keyboard below a USB controller, as a use of it.
KEYBOARD = "keyboard"
#: Uses that are no reason for a refusal: a process (a display server, a sound server) goes on without the device after
#: the next boot, which is when the device is handed over; a virtual machine has it already. Keyboards: keyboards.py.
_TEMPORARY_USES = ("process", "virtual_machine", KEYBOARD)


class Selection(NamedTuple):
    """What a selector selects."""

    addresses: tuple[str, ...]  # functions of one slot; none where the selection is refused
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...] = ()  # for the user


def identity_of(function: PciFunction) -> Identity:
    """Return what identifies a function."""
    return Identity(
        vendor=function.vendor,
        device=function.device,
        subsystem_vendor=function.subsystem_vendor,
        subsystem_device=function.subsystem_device,
        class_=function.class_,
        parent=function.parent,
        serial=function.serial_number,
        physical_function=function.physical_function,
    )


def is_endpoint(function: PciFunction) -> bool:
    """Tell whether a function can be passed through by its class: it is no bridge and no IOMMU."""
    return not (function.bridge or (function.class_ or "").startswith(_NEVER_ASSIGNABLE))


def is_removable(function: PciFunction) -> bool:
    """Tell whether the user can unplug a function, as behind a Thunderbolt port."""
    return function.removable == REMOVABLE


def may_have_outputs(function: PciFunction) -> bool:
    """Tell whether a function is a display controller of a class that can have outputs."""
    class_ = function.class_ or ""
    return class_.startswith(_DISPLAY) and not class_.startswith(_WITHOUT_OUTPUTS)


def endpoints(machine: Machine, addresses: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the addresses, in bus order, of endpoints whose ids are known; all of the machine's by default."""
    functions = machine.pci
    if addresses is not None:
        functions = {address: functions[address] for address in addresses if address in functions}
    usable = (
        address
        for address, function in functions.items()
        if is_endpoint(function) and function.vendor and function.device
    )
    return tuple(sorted(usable, key=address_order))


def functions_of_slot(machine: Machine, address: str) -> tuple[str, ...]:
    """Return the endpoints of a function's slot that belong to the same device, the function itself included.

    AMD processors with integrated graphics have the GPU and its audio (vendor 1002) in one slot with USB controllers,
    the security processor and more audio (vendor 1022), each in an IOMMU group of its own. No card has both vendors.
    A virtual function is a device of its own, wherever its physical function is.
    """
    if machine.pci[address].physical_function is not None:
        return (address,)
    vendor = machine.pci[address].vendor
    other_device = {_AMD_GRAPHICS: _AMD_PROCESSOR, _AMD_PROCESSOR: _AMD_GRAPHICS}.get(vendor or "")
    return tuple(
        endpoint
        for endpoint in endpoints(machine)
        if slot_of(endpoint) == slot_of(address)
        and machine.pci[endpoint].physical_function is None
        and (other_device is None or machine.pci[endpoint].vendor != other_device)
    )


def matching(machine: Machine, selector: Selector, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those of the addresses whose functions match a selector."""
    return tuple(address for address in addresses if all(_matches(selector, address, machine.pci[address]).values()))


def select_device(machine: Machine, name: str, selector: Selector, *, whole_slot: bool) -> Selection:
    """Return the device that a selector matches, or a refusal where it matches none or several.

    Args:
        machine: The machine.
        name: Name of the request.
        selector: The properties that the device must have.
        whole_slot: Whether all functions of the slot are requested: matching functions of one slot are then one device.
    """
    candidates = endpoints(machine)
    matches = matching(machine, selector, candidates)
    devices = {_device_of(machine, address) for address in matches} if whole_slot else set(matches)
    if len(devices) == 1:
        return Selection(matches, ())
    if not matches:
        return Selection((), (_not_found(machine, name, selector, candidates),))
    seen = f"{name}: {len(devices)} devices match {selector_text(selector)}:{listed(machine, matches)}"
    return Selection((), (refuse("device_ambiguous", seen),))


def _device_of(machine: Machine, address: str) -> str:
    return address if machine.pci[address].physical_function is not None else slot_of(address)


def _not_found(machine: Machine, name: str, selector: Selector, candidates: Sequence[str]) -> Refusal:
    seen = f"{name}: no device matches {selector_text(selector)}"
    address = selector.address or ""
    function = machine.pci.get(address)
    if function is not None and not is_endpoint(function):
        return refuse(
            "device_not_found", f"{seen}: bridges and the IOMMU stay with the host:{listed(machine, [address])}"
        )
    closest = _closest(machine, selector, candidates)
    if not closest:
        return refuse("device_not_found", f"{seen}, and none is similar")
    return nothing_matches(f"{seen}; the closest are:{listed(machine, closest)}")


def nothing_matches(seen: str) -> Refusal:
    """Return the refusal of a selector that matches none of the devices that `seen` lists."""
    return refuse("device_not_found", seen, remedy=_CHOOSE_LISTED)


def _closest(machine: Machine, selector: Selector, candidates: Sequence[str]) -> list[str]:
    """Return the functions that match the most properties of a selector; all displays where none matches any."""
    scores = {address: _score(selector, address, machine.pci[address]) for address in candidates}
    best = max(scores.values(), default=0)
    if best:
        return [address for address in candidates if scores[address] == best]
    return [address for address in candidates if (machine.pci[address].class_ or "").startswith(_DISPLAY)]


def _score(selector: Selector, address: str, function: PciFunction) -> int:
    """Return how many properties match, but for boot_display: most functions match `boot_display: false`."""
    return sum(match for name, match in _matches(selector, address, function).items() if name != "boot_display")


def _matches(selector: Selector, address: str, function: PciFunction) -> dict[str, bool]:
    """Return for each property that a selector requires whether a function has it."""
    names = f"{function.vendor_name or ''} {function.device_name or ''}".lower()
    properties = {
        "address": (selector.address, selector.address == address),
        "slot": (selector.slot, selector.slot == slot_of(address)),
        "class": (selector.class_, (function.class_ or "").startswith(selector.class_ or ())),
        "vendor": (selector.vendor, function.vendor in (selector.vendor or ())),
        "device": (selector.device, function.device == selector.device),
        "subsystem_vendor": (selector.subsystem_vendor, function.subsystem_vendor == selector.subsystem_vendor),
        "subsystem_device": (selector.subsystem_device, function.subsystem_device == selector.subsystem_device),
        "model": (selector.model, all(word in names for word in selector.model or ())),
        # Unknown counts as false here, so that the device is considered; _plan.devices refuses it if it is a display.
        "boot_display": (selector.boot_display, bool(function.boot_display) == selector.boot_display),
        "driver": (selector.driver, (function.driver or "").lower() == selector.driver),
    }
    return {name: match for name, (required, match) in properties.items() if required is not None}


def selector_text(selector: Selector) -> str:
    """Return a selector as the user writes it: `{class: display, boot_display: false}`."""
    parts = []
    for field, value in zip(selector._fields, selector):
        if field == "class_" or value is None:
            continue
        text = " ".join(value) if isinstance(value, tuple) else value
        text = str(text).lower() if isinstance(value, bool) else text
        parts.append(f"{'class' if field == 'class_name' else field}: {text}")
    return "{" + ", ".join(parts) + "}"


def listed(machine: Machine, addresses: Iterable[str]) -> str:
    """Return descriptions of devices in bus order, each on a line of its own that begins with a newline."""
    ordered = sorted(addresses, key=address_order)
    lines = [f"\n    {describe(machine, address)}" for address in ordered[:_MOST_LISTED]]
    if len(ordered) > _MOST_LISTED:
        lines.append(f"\n    and {len(ordered) - _MOST_LISTED} more")
    return "".join(lines)


def is_needed(function: PciFunction) -> bool:
    """Return whether the host would lose something for good with a function: a disk, its network."""
    return any(use.kind not in _TEMPORARY_USES for use in function.in_use_by)


def describe(machine: Machine, address: str) -> str:
    """Return one line that identifies a device for the user: address, names, ids, class, driver, group, uses."""
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
    if function.physical_function is not None:
        parts.append(f"virtual function of {function.physical_function}")
    parts.extend(uses_text(function))
    return ", ".join(parts)


def uses_text(function: PciFunction) -> list[str]:
    """Return a text for each use of a function: what the host would lose."""
    return [f"{use.kind.replace('_', ' ')} {use.name} (by {use.via})" for use in function.in_use_by]
