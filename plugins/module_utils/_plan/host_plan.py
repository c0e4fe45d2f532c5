# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a machine, and what a person wants of it, to all that shall hold there, or to every reason against it."""

from __future__ import annotations

from typing import Collection, Iterable, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine
from .._machine.cmdline import units
from .._machine.desired import Desired
from .._machine.host_plan import NO_CONTEXT, Binding, HostContext, HostPlan, HostRecord
from .._machine.initramfs import File, InitramfsRequest
from .._machine.plan import Refusal
from .access import ACCESS_FILES, access_files, access_notes, access_refusals
from .cpus import CpuResult, plan_cpus
from .devices import DevicesPlan, plan_devices
from .hugepages import HugePagesResult, plan_hugepages
from .hugepages_files import HUGE_PAGE_SIZES_KB, TMPFILES_FILE, WANTS_FILE, hugepages_files, mount_unit_path
from .iommu import iommu_arguments, iommu_refusals, virtualization_refusals
from .isolation import SCRIPT_FILE, UNIT_FILE, isolation_files
from .kvm_options import KVM_FILE, kvm_arguments, kvm_files, kvm_now, kvm_overridden, kvm_refusals, kvm_remedies
from .udev_rule import DRIVER, RULE_FILE, rule_text

IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION = "iommu", "devices", "hugepages", "cpu_isolation"
ACCESS, KVM, ARGUMENTS = "access", "kvm", "arguments"
#: In the order in which their arguments stand.
SECTIONS = (IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION, ACCESS, KVM, ARGUMENTS)
#: The files of our own that a section may have on the machine.
OWN_FILES: Mapping[str, tuple[str, ...]] = {
    HUGEPAGES: (TMPFILES_FILE, WANTS_FILE, *(mount_unit_path(size) for size in HUGE_PAGE_SIZES_KB)),
    CPU_ISOLATION: (UNIT_FILE, SCRIPT_FILE),
    ACCESS: ACCESS_FILES,
    KVM: (KVM_FILE,),
}


def owner_of(section: str) -> str:
    """Return who owns a section's kernel arguments."""
    return "bootloader" if section == ARGUMENTS else section


def plan_host(
    machine: Machine, desired: Desired, record: HostRecord, context: HostContext = NO_CONTEXT
) -> HostPlan | tuple[Refusal, ...]:
    """Return what shall hold, or all refusals at once.

    A section that is not spoken of is left as it is, and what earlier runs decided for it is what the others go by: the
    same comes of one run with all sections as of one run for each.

    Args:
        machine: The machine.
        desired: What is wanted of it.
        record: What earlier runs decided.
        context: What else there is.
    """
    refusals = list(_without_iommu(machine, desired))
    arguments: dict[str, tuple[str, ...]] = {}
    initramfs: dict[str, InitramfsRequest] = {}
    notes: list[str] = []
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
    extras = _extras(machine, desired, context)
    refusals.extend(extras.refusals)
    notes.extend(extras.notes)
    arguments.update(extras.arguments)
    left = tuple(dict.fromkeys(one for one in refusals if one.code not in desired.accepted))
    if left:
        return left
    files = {**_files(pages, cpus, context), **extras.files}
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


class _Extras(NamedTuple):
    arguments: dict[str, tuple[str, ...]]
    files: dict[str, tuple[File, ...]]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


def _extras(machine: Machine, desired: Desired, context: HostContext) -> _Extras:
    """Return what belongs to guests beside devices, memory and CPUs."""
    found = _Extras({}, {}, (), ())
    if desired.arguments is not None:
        found.arguments[ARGUMENTS] = units(desired.arguments)
    if desired.access is not None:
        found.files[ACCESS] = access_files(desired.access)
        found = found._replace(
            refusals=tuple(access_refusals(desired.access, context.groups)),
            notes=tuple(access_notes(desired.access, context.groups, context.users)),
        )
    if desired.kvm is not None:
        values = dict(context.kvm_values)
        options = kvm_now(machine, desired.kvm, values)
        found.files[KVM] = kvm_files(machine, desired.kvm)
        # Built into the kernel, it reads the command line alone.
        found.arguments[KVM] = kvm_arguments(machine, desired.kvm) if context.kvm_built_in else ()
        overridden = kvm_overridden(options, dict(context.modprobe), machine.boot.running.cmdline)
        found = found._replace(
            refusals=(*found.refusals, *kvm_refusals(machine, desired.kvm, values)),
            notes=(*found.notes, *overridden, *kvm_remedies(options)),
        )
    return found


def _files(pages: HugePagesResult | None, cpus: CpuResult | None, context: HostContext) -> dict[str, tuple[File, ...]]:
    found: dict[str, tuple[File, ...]] = {}
    if pages is not None:
        ours = [size for size in HUGE_PAGE_SIZES_KB if mount_unit_path(size) in context.own_files]
        found[HUGEPAGES] = hugepages_files(pages.plan, context.mounts, ours)
    if cpus is not None and cpus.plan is not None:
        found[CPU_ISOLATION] = isolation_files(cpus.plan)
    return found


def _without_iommu(machine: Machine, desired: Desired) -> Iterator[Refusal]:
    """Yield what stands against any device for any guest."""
    if desired.iommu is not None or desired.devices:
        yield from iommu_refusals(machine)
    if desired.devices:
        yield from virtualization_refusals(machine)


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
        arguments={section: () for section in SECTIONS if section in sections and section != ACCESS},
        initramfs={DEVICES: InitramfsRequest()} if DEVICES in sections else {},
        files={section: () for section in OWN_FILES if section in sections},
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


def _initramfs(bindings: Sequence[Binding]) -> InitramfsRequest:
    if not bindings:
        return InitramfsRequest()
    return InitramfsRequest((File(RULE_FILE, rule_text(bindings), 0o644),), (DRIVER,))


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
