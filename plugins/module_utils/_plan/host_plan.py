# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a machine, and what a person wants of it, to all that shall hold there, or to every reason against it."""

from __future__ import annotations

from typing import Collection, Iterable, Mapping, Sequence

from .._machine import Machine
from .._machine.desired import Desired
from .._machine.host_plan import Binding, HostPlan, HostRecord
from .._machine.initramfs import File, Wish
from .._machine.plan import Refusal
from .cpus import CpuResult, plan_cpus
from .devices import DevicesPlan, plan_devices
from .hugepages import HugePagesResult, plan_hugepages
from .iommu import iommu_arguments, iommu_refusals, virtualization_refusals
from .udev_rule import DRIVER, RULE_FILE, rule_text

IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION = "iommu", "devices", "hugepages", "cpu_isolation"
#: In the order in which their arguments stand. Each is the owner of its own.
SECTIONS = (IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION)
#: The files of our own that a section may have on the machine.
OWN_FILES: Mapping[str, tuple[str, ...]] = {}


def plan_host(machine: Machine, desired: Desired, record: HostRecord) -> HostPlan | tuple[Refusal, ...]:
    """Return what shall hold, or all refusals at once.

    A section that is not spoken of is left as it is, and what earlier runs decided for it is what the others go by: the
    same comes of one run with all sections as of one run for each.

    Args:
        machine: The machine.
        desired: What is wanted of it.
        record: What earlier runs decided.
    """
    refusals: list[Refusal] = []
    arguments: dict[str, tuple[str, ...]] = {}
    initramfs: dict[str, Wish] = {}
    notes: list[str] = []
    if desired.iommu is not None or desired.devices:
        refusals.extend(iommu_refusals(machine))
    if desired.devices:
        refusals.extend(virtualization_refusals(machine))
    if desired.iommu is not None:
        arguments[IOMMU] = iommu_arguments(machine, pass_through=desired.iommu.pass_through)
    devices = _devices(machine, desired, record)
    if devices is not None:
        refusals.extend(devices.refusals)
        notes.extend(devices.notes)
        # Alone, this section needs the IOMMU as well; an argument that two want stands there once.
        arguments[DEVICES] = (*(iommu_arguments(machine) if devices.bindings else ()), *devices.arguments)
        initramfs[DEVICES] = _initramfs(devices.bindings)
    now = _record(record, devices, None)
    near = _nodes_of(machine, now)
    cpus = _cpus(machine, desired, near)
    if cpus is not None:
        refusals.extend(cpus.refusals)
        if cpus.plan is not None:
            arguments[CPU_ISOLATION] = cpus.plan.arguments
    guests = record.cpus if cpus is None else cpus.plan.guests if cpus.plan else ()
    pages = _hugepages(machine, desired, (*near, *_nodes_of_cpus(machine, guests)))
    if pages is not None:
        refusals.extend(pages.refusals)
        notes.extend(pages.notes)
        arguments[HUGEPAGES] = pages.plan.arguments
    left = tuple(dict.fromkeys(one for one in refusals if one.code not in desired.accepted))
    if left:
        return left
    files: dict[str, tuple[File, ...]] = dict.fromkeys(arguments, ())
    return HostPlan(
        arguments=arguments,
        initramfs=initramfs,
        files=files,
        bindings=devices.bindings if devices is not None else None,
        hugepages=pages.plan if pages is not None else None,
        cpus=cpus.plan if cpus is not None else None,
        record=_record(now, None, cpus),
        notes=tuple(notes),
    )


def plan_absent(record: HostRecord, sections: Collection[str]) -> HostPlan:
    """Return what shall hold once nothing of these sections is wanted any more; nothing speaks against that.

    Args:
        record: What earlier runs decided.
        sections: Names of SECTIONS.
    """
    if DEVICES in sections:
        record = record._replace(devices=(), bound=())
    if CPU_ISOLATION in sections:
        record = record._replace(cpus=())
    return HostPlan(
        arguments={section: () for section in SECTIONS if section in sections},
        initramfs={DEVICES: Wish()} if DEVICES in sections else {},
        files={section: () for section in SECTIONS if section in sections},
        bindings=() if DEVICES in sections else None,
        hugepages=None,
        cpus=None,
        record=record,
        notes=(),
    )


def _devices(machine: Machine, desired: Desired, record: HostRecord) -> DevicesPlan | None:
    if desired.devices is None:
        return None
    return plan_devices(machine, desired.devices, record, desired.accepted)


def _cpus(machine: Machine, desired: Desired, near: Sequence[int]) -> CpuResult | None:
    return None if desired.cpu_isolation is None else plan_cpus(machine, desired.cpu_isolation, near)


def _hugepages(machine: Machine, desired: Desired, near: Sequence[int]) -> HugePagesResult | None:
    if desired.hugepages is None:
        return None
    return plan_hugepages(machine, desired.hugepages, near, desired.memory_for_host)


def _initramfs(bindings: Sequence[Binding]) -> Wish:
    if not bindings:
        return Wish()
    return Wish((File(RULE_FILE, rule_text(bindings), 0o644),), (DRIVER,))


def _nodes_of(machine: Machine, record: HostRecord) -> tuple[int, ...]:
    """Return the nodes of what guests get, selected devices first; none where no node is nearer than another."""
    selected = (address for device in record.devices for address, _identity in device.functions)
    addresses = (*selected, *record.bound)
    nodes = [machine.pci[address].numa_node for address in addresses if address in machine.pci]
    return tuple(node for node in dict.fromkeys(nodes) if node is not None)


def _nodes_of_cpus(machine: Machine, cpus: Iterable[int]) -> tuple[int, ...]:
    wanted = set(cpus)
    nodes = [core.node for core in machine.cpus.cores if wanted.intersection(core.cpus)]
    return tuple(node for node in dict.fromkeys(nodes) if node is not None)


def _record(record: HostRecord, devices: DevicesPlan | None, cpus: CpuResult | None) -> HostRecord:
    if devices is not None:
        bound = tuple(binding.address for binding in devices.bindings)
        record = record._replace(devices=devices.remembered, bound=bound)
    if cpus is not None:
        record = record._replace(cpus=cpus.plan.guests if cpus.plan else ())
    return record
