# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the IOMMU groups of bound functions can be passed through.

A group is usable when every member is on a driver that leaves it usable, or has no driver. Bridges are exempt, since
their driver does no DMA.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .._machine import IommuGroup, Machine
from .._machine.guest_drivers import leaves_group_usable
from .._machine.host_plan import Binding, HostRecord
from .._machine.plan import Refusal
from .refusals import refuse
from .select import describe, is_endpoint, is_needed, listed

#: A region that the device accesses on behalf of the firmware at any time. Regions of type direct-relaxable, of USB
#: controllers and graphics, are unused once the operating system runs (drivers/iommu/intel/iommu.c,
#: device_rmrr_is_relaxable()).
_DIRECT = "direct"


def group_refusals(machine: Machine, bindings: Sequence[Binding], record: HostRecord) -> Iterator[Refusal]:
    """Yield why groups can't be passed through; nothing while the IOMMU is disabled, since it has no groups then."""
    if machine.iommu.state != "enabled":
        return
    for binding in bindings:
        if machine.pci[binding.address].iommu_group is None:
            yield refuse("device_has_no_group", f"{binding.name}: {describe(machine, binding.address)}")
    for number, (group, name) in _groups(machine, bindings).items():
        bound = {binding.address for binding in bindings}
        kept = [member for member in group.members if member not in bound and is_host_device(machine, member, record)]
        if kept:
            yield _shared(machine, name, number, kept)
        for region in group.reserved_regions:
            if region.type == _DIRECT:
                seen = f"{name}: IOMMU group {number} has a reserved memory region of type {_DIRECT}"
                path = f"/sys/kernel/iommu_groups/{number}/reserved_regions"
                yield refuse("reserved_region", f"{seen}, {region.start} to {region.end} ({path})")


def group_notes(machine: Machine, bindings: Sequence[Binding], record: HostRecord) -> Iterator[str]:
    """Yield notes for the user on groups that are usable under a condition, or still unknown."""
    if bindings and machine.iommu.state == "disabled_in_kernel":
        yield "IOMMU groups are unknown until the IOMMU is enabled: they are checked after the reboot."
    bound = {binding.address for binding in bindings}
    for number, (group, name) in _groups(machine, bindings).items():
        for member in group.members:
            function = machine.pci.get(member)
            if function is None or member in bound or not is_endpoint(function):
                continue
            if not is_host_device(machine, member, record):
                driver = "has no driver" if function.driver is None else f"is on {function.driver}"
                shares = f"{name}: {member} shares IOMMU group {number} and {driver}"
                yield f"{shares}; guests can start only as long as that holds"


def _groups(machine: Machine, bindings: Sequence[Binding]) -> Mapping[str, tuple[IommuGroup, str]]:
    """Return the groups of bound functions by number, each with the name of the first request that has one there."""
    groups: dict[str, tuple[IommuGroup, str]] = {}
    for binding in bindings:
        number = machine.pci[binding.address].iommu_group
        if number is not None and number in machine.iommu.groups:
            groups.setdefault(number, (machine.iommu.groups[number], binding.name))
    return groups


def is_host_device(machine: Machine, member: str, record: HostRecord) -> bool:
    """Tell whether a member that is not bound is a device of the host, which makes its group unusable for guests."""
    function = machine.pci.get(member)
    if function is None:
        return True  # a platform device, or a function that could not be read
    if function.bridge or function.driver is None:
        return False
    if leaves_group_usable(function.driver):
        return member in record.bound  # bound by an earlier run, and no longer: the next boot returns it to the host
    return True


def _shared(machine: Machine, name: str, number: str, kept: Sequence[str]) -> Refusal:
    seen = f"{name}: IOMMU group {number} also has these devices of the host:{listed(machine, kept)}"
    unassignable = [member for member in kept if member not in machine.pci or not is_endpoint(machine.pci[member])]
    if unassignable:
        members = ", ".join(unassignable)
        remedy = f"{members} can't be passed through: move the card to another slot, or select another device."
        return refuse("group_shared_with_host", seen, remedy=remedy)
    in_use = [member for member in kept if is_needed(machine.pci[member])]
    if in_use:
        members = ", ".join(in_use)
        remedy = f"The host needs {members}: move the card to a slot with a group of its own, or select another device."
        return refuse("group_shared_with_host", seen, remedy=remedy)
    return refuse("group_shared_with_host", seen)
