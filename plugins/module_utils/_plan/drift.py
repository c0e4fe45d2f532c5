# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two boots, as far as it matters to devices that guests get."""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .._machine import Machine
from .._machine.boot_facts import (
    CMDLINE,
    DEVICE_GONE,
    DEVICE_MOVED,
    DEVICE_NEW,
    DRIVER,
    FIRMWARE,
    GROUP_MERGED,
    GROUP_SPLIT,
    IOMMU,
    KERNEL,
    VIRTUALIZATION,
    BootFacts,
    Change,
    FunctionFacts,
)
from .._machine.guest_drivers import is_guest_driver
from .._machine.pci import PciFunction

#: Arguments that name the kernel's own files, which differ with each kernel.
_OF_THE_KERNEL = ("BOOT_IMAGE=", "initrd=")
_MOST_FUNCTIONS = 8


def boot_facts(
    machine: Machine, firmware: str | None = None, boot_id: str | None = None, time: str | None = None
) -> BootFacts:
    """Return the facts of the present boot.

    Args:
        machine: The machine.
        firmware: Version and date of the firmware.
        boot_id: The kernel's identifier of this boot.
        time: The present time.
    """
    running = machine.boot.running
    words = None if running.cmdline is None else running.cmdline.split()
    return BootFacts(
        boot_id=boot_id,
        time=time,
        firmware=firmware,
        kernel=running.version,
        cmdline=None if words is None else tuple(word for word in words if not word.startswith(_OF_THE_KERNEL)),
        virtualization=machine.cpu.virtualization.state,
        iommu=machine.iommu.state,
        interrupt_remapping=machine.iommu.interrupt_remapping,
        functions={
            address: FunctionFacts(_identity(function), function.iommu_group, function.driver)
            for address, function in machine.pci.items()
            if function.physical_function is None and function.removable != "removable"
        },
    )


def _identity(function: PciFunction) -> str:
    ids = f"{function.vendor or '????'}:{function.device or '????'}"
    subsystem = f"{function.subsystem_vendor or '????'}:{function.subsystem_device or '????'}"
    return f"{ids} ({subsystem}, class {function.class_ or '??????'})"


def drift(before: BootFacts, after: BootFacts) -> tuple[Change, ...]:
    """Return what changed from one boot to another, causes first."""
    moved, gone, new = _moves(before.functions, after.functions)
    return (
        *_value_changes(before, after),
        *_device_changes(before.functions, after.functions, moved, gone, new),
        *_group_changes(before.functions, after.functions, moved),
    )


def _value_changes(before: BootFacts, after: BootFacts) -> Iterator[Change]:
    yield from _value(FIRMWARE, "firmware", before.firmware, after.firmware)
    yield from _value(VIRTUALIZATION, "virtualization", before.virtualization, after.virtualization)
    yield from _value(IOMMU, "IOMMU", before.iommu, after.iommu)
    words = {True: "on", False: "off", None: None}
    remapping = [words[facts.interrupt_remapping] for facts in (before, after)]
    yield from _value(IOMMU, "interrupt remapping", *remapping)
    yield from _value(KERNEL, "kernel", before.kernel, after.kernel)
    if before.cmdline is not None and after.cmdline is not None and before.cmdline != after.cmdline:
        yield Change(CMDLINE, f"kernel command line: {_words(before.cmdline, after.cmdline)}")


def _value(kind: str, name: str, before: str | None, after: str | None) -> Iterator[Change]:
    if None not in (before, after) and before != after:
        yield Change(kind, f"{name}: {_spaced(before)} before, {_spaced(after)} now")


def _spaced(value: str | None) -> str:
    return (value or "").replace("_", " ")


def _words(before: Sequence[str], after: Sequence[str]) -> str:
    missing = [word for word in before if word not in after]
    added = [word for word in after if word not in before]
    parts = [f"{' '.join(words)} {what}" for words, what in ((added, "added"), (missing, "missing")) if words]
    return "; ".join(parts) or "another order or number of the same arguments"


def _moves(
    before: Mapping[str, FunctionFacts], after: Mapping[str, FunctionFacts]
) -> tuple[dict[str, str], list[str], list[str]]:
    """Return where functions moved to, which are gone, and which are new.

    Identical functions are matched in the order of their addresses.
    """
    same = {address for address in before if address in after and after[address].identity == before[address].identity}
    gone = [address for address in before if address not in same]
    new = [address for address in after if address not in same]
    moved = {}
    for address in list(gone):
        target = next((other for other in new if after[other].identity == before[address].identity), None)
        if target is not None:
            moved[address] = target
            gone.remove(address)
            new.remove(target)
    return moved, gone, new


def _device_changes(
    before: Mapping[str, FunctionFacts],
    after: Mapping[str, FunctionFacts],
    moved: Mapping[str, str],
    gone: Sequence[str],
    new: Sequence[str],
) -> Iterator[Change]:
    for address in gone:
        yield Change(DEVICE_GONE, f"{address}: {before[address].identity} is no longer present")
    for address, target in moved.items():
        yield Change(DEVICE_MOVED, f"{address}: {before[address].identity} is at {target} now")
    for address in new:
        yield Change(DEVICE_NEW, f"{address}: {after[address].identity} was not present before")
    for address, function in before.items():
        target = moved.get(address, address)
        if address in gone or function.driver == after[target].driver:
            continue
        drivers = (function.driver, after[target].driver)
        if any(driver is not None and is_guest_driver(driver) for driver in drivers):
            was, is_now = (driver or "no driver" for driver in drivers)
            yield Change(DRIVER, f"{target}: driver {was} before, {is_now} now")


def _group_changes(
    before: Mapping[str, FunctionFacts], after: Mapping[str, FunctionFacts], moved: Mapping[str, str]
) -> Iterator[Change]:
    """Yield how the groups of guests' functions changed. The numbers of groups have no meaning."""
    for address, function in before.items():
        target = moved.get(address, address)
        is_compared = target in after and function.group is not None and after[target].group is not None
        if not is_compared or not (function.driver and is_guest_driver(function.driver)):
            continue
        old = {moved.get(other, other) for other, facts in before.items() if facts.group == function.group}
        now = {other for other, facts in after.items() if facts.group == after[target].group}
        joined, left = sorted(now - old), sorted(other for other in old - now if other in after)
        if joined:
            yield Change(GROUP_MERGED, f"{target}: its IOMMU group has {_listed(joined)} too now")
        if left:
            yield Change(GROUP_SPLIT, f"{target}: its IOMMU group is without {_listed(left)} now")


def _listed(addresses: Sequence[str]) -> str:
    more = len(addresses) - _MOST_FUNCTIONS
    return ", ".join(addresses[:_MOST_FUNCTIONS]) + (f" and {more} more" if more > 0 else "")
