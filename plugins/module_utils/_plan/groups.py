# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the IOMMU groups of what is bound can go to guests.

A group is usable when each member is on a VFIO driver or on none, bridges aside, whose driver leaves memory alone
(drivers/iommu/iommu.c, iommu_device_claim_dma_owner(), and `driver_managed_dma`).
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from .._machine import IommuGroup, Machine
from .._machine.host_plan import Binding, HostRecord
from .._machine.plan import Refusal
from .refusals import refuse
from .select import describe, is_endpoint, listed

_GUESTS_DRIVERS = ("vfio", "pci-stub")
#: The firmware has the device use it, whatever the host says. `direct-relaxable` ones of USB controllers and graphics
#: are over once the operating system runs (drivers/iommu/intel/iommu.c, device_rmrr_is_relaxable()).
_DIRECT = "direct"


def group_refusals(machine: Machine, bindings: Sequence[Binding], record: HostRecord) -> Iterator[Refusal]:
    """Yield why groups can't go to guests; nothing while the IOMMU is off, since then there are none."""
    if machine.iommu.state != "enabled":
        return
    for binding in bindings:
        if machine.pci[binding.address].iommu_group is None:
            yield refuse("device_has_no_group", f"{binding.name}: {describe(machine, binding.address)}")
    for number, (group, name) in _groups(machine, bindings).items():
        bound = {binding.address for binding in bindings}
        kept = [member for member in group.members if member not in bound and _is_hosts(machine, member, record)]
        if kept:
            yield _shared(machine, name, number, kept)
        for region in group.reserved_regions:
            if region.type == _DIRECT:
                seen = (
                    f"{name}: group {number} has the reserved region {region.start} to {region.end} of type {_DIRECT}"
                )
                yield refuse("reserved_region", f"{seen} (/sys/kernel/iommu_groups/{number}/reserved_regions)")


def group_notes(machine: Machine, bindings: Sequence[Binding], record: HostRecord) -> Iterator[str]:
    """Yield what a person should know of groups that are usable, or not known."""
    if bindings and machine.iommu.state == "disabled_in_kernel":
        yield "Which devices share a group is known once the IOMMU is on: it is looked at again after the reboot."
    bound = {binding.address for binding in bindings}
    for number, (group, name) in _groups(machine, bindings).items():
        for member in group.members:
            function = machine.pci.get(member)
            if member in bound or function is None or not is_endpoint(function) or _is_hosts(machine, member, record):
                continue
            how = "has no driver as it is" if function.driver is None else f"is on {function.driver} already"
            yield f"{name}: {member} shares group {number} and {how}: a guest can start only while that is so"


def _groups(machine: Machine, bindings: Sequence[Binding]) -> Mapping[str, tuple[IommuGroup, str]]:
    """Return the groups of what is bound, by number, each with the first request for it."""
    found: dict[str, tuple[IommuGroup, str]] = {}
    for binding in bindings:
        number = machine.pci[binding.address].iommu_group
        if number is not None and number in machine.iommu.groups:
            found.setdefault(number, (machine.iommu.groups[number], binding.name))
    return found


def _is_hosts(machine: Machine, member: str, record: HostRecord) -> bool:
    """Tell whether the host keeps a member for itself, so that the group is not free."""
    function = machine.pci.get(member)
    if function is None:
        return True  # a platform device, or one that can't be looked at
    if function.bridge or function.driver is None:
        return False
    if function.driver.startswith(_GUESTS_DRIVERS):
        return member in record.bound  # ours until the next boot: then the host has it again
    return True


def _shared(machine: Machine, name: str, number: str, kept: Sequence[str]) -> Refusal:
    seen = f"{name}: group {number} also has these, which the host keeps:{listed(machine, kept)}"
    fixed = [one for one in kept if one not in machine.pci or not is_endpoint(machine.pci[one])]
    if fixed:
        remedy = f"{', '.join(fixed)} can't be given away; move the card to another slot, or select another device."
        return refuse("group_shared_with_host", seen, remedy=remedy)
    return refuse("group_shared_with_host", seen)
