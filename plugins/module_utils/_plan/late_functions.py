# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions that appear in the running system, and may be absent when a host is planned.

An SR-IOV virtual function exists once the driver of its physical function creates it (Documentation/PCI/pci-iov-howto),
a removable device while it is plugged in and authorized. The udev rule binds them when they appear. So one that an
earlier run selected is planned as it was recorded while it is absent; one that was never present is unknown, and
refused as not found.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, PciFunction
from .._machine.desired import DeviceRequest
from .._machine.host_plan import SAME_SLOT, Binding, HostRecord, Identity, RecordedDevice
from .relocation import MISSING, locate, other_functions, recorded_device
from .select import REMOVABLE, is_removable


class CompletedMachine(NamedTuple):
    """A machine with the functions that may appear later."""

    machine: Machine
    absent: frozenset[str]  # addresses of the functions that were added


def with_absent_functions(machine: Machine, requests: Sequence[DeviceRequest], record: HostRecord) -> CompletedMachine:
    """Return the machine with the recorded functions of the requests that are absent and may appear later.

    Args:
        machine: The machine.
        requests: The requested devices.
        record: What earlier runs selected.
    """
    absent: dict[str, PciFunction] = {}
    for request in requests:
        for position, selector in enumerate((request.select, *request.with_group)):
            device = recorded_device(record, request.name, position, selector)
            if device is not None and _may_appear(machine, device) and _is_missing(machine, device, record):
                absent.update(_recorded_functions(device))
    return CompletedMachine(machine._replace(pci={**machine.pci, **absent}), frozenset(absent))


def _may_appear(machine: Machine, device: RecordedDevice) -> bool:
    return device.removable or all(_has_creator(machine, identity) for _address, identity in device.functions)


def _has_creator(machine: Machine, identity: Identity) -> bool:
    """Tell whether the physical function of a virtual one is present; both have the same vendor id."""
    creator = machine.pci.get(identity.physical_function or "")
    return creator is not None and creator.vendor == identity.vendor


def _is_missing(machine: Machine, device: RecordedDevice, record: HostRecord) -> bool:
    others = frozenset(other_functions(device, record))
    return all(locate(machine, address, identity, others).outcome == MISSING for address, identity in device.functions)


def _recorded_functions(device: RecordedDevice) -> Mapping[str, PciFunction]:
    return {
        address: PciFunction(
            vendor=identity.vendor,
            device=identity.device,
            subsystem_vendor=identity.subsystem_vendor,
            subsystem_device=identity.subsystem_device,
            class_=identity.class_,
            revision=None,
            vendor_name=None,
            device_name=None,
            driver=None,
            iommu_group=None,
            numa_node=None,
            local_cpus=None,
            boot_display=False,  # else it would not have been selected
            parent=identity.parent,
            bridge=False,
            physical_function=identity.physical_function,
            virtual_functions=(),
            removable=REMOVABLE if device.removable else None,
            reset_methods=None,
            bars=None,
            link=None,
            serial_number=identity.serial,
            in_use_by=(),
        )
        for address, identity in (*device.functions, *device.companions)
    }


def _created_by(creator: str) -> str:
    number = f"/sys/bus/pci/devices/{creator}/sriov_numvfs"
    return (
        f" a virtual function of {creator} and is bound when the driver of {creator} creates it. This collection does "
        f"not create it: write the number of functions to {number} at every boot."
    )


def late_notes(machine: Machine, bindings: Sequence[Binding], absent: AbstractSet[str]) -> Iterator[str]:
    """Yield for each function that appears later what it depends on.

    Args:
        machine: The machine, with absent functions.
        bindings: The functions to bind.
        absent: Addresses of the absent functions.
    """
    names = {binding.address: binding.name for binding in bindings}
    for binding in bindings:
        function = machine.pci[binding.address]
        creator = function.physical_function
        subject = f"{binding.name}: {binding.address} is"
        now = " It is absent now." if binding.address in absent else ""
        if creator is not None:
            yield subject + _created_by(creator) + now
            if creator in names:
                also = f"{creator} is requested too ({names[creator]})"
                yield f"{binding.name}: {also}: on vfio-pci, it creates no virtual functions"
        elif is_removable(function) and binding.role != SAME_SLOT:
            yield f"{subject} removable and is bound when it is plugged in and authorized.{now}"
