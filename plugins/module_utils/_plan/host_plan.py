# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a machine and a request to the desired state of the host, or to every reason to refuse it."""

from __future__ import annotations

from typing import Collection, Iterable, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine
from .._machine.cmdline import units
from .._machine.desired import AccessRequest, Desired, KvmRequest
from .._machine.host_plan import NO_CONTEXT, Binding, HostContext, HostPlan, HostRecord
from .._machine.initramfs import File, InitramfsRequest
from .._machine.plan import Refusal
from .._machine.trial import TRIAL_FILE
from .access import ACCESS_FILES, access_files, access_notes, access_refusals
from .cgroup_version import cgroup_notes
from .claims import claim_notes, claim_refusals, replaced_notes
from .cpus import CpuResult, plan_cpus
from .devices import DevicesPlan, plan_devices
from .foreign_lines import NO_LINES, ForeignLines, foreign_lines, put_back_steps, set_aside_steps, without
from .hugepages import HugePagesResult, plan_hugepages
from .hugepages_files import HUGE_PAGE_SIZES_KB, TMPFILES_FILE, WANTS_FILE, hugepages_files, mount_unit_path
from .iommu import iommu_arguments, iommu_refusals, virtualization_refusals
from .isolation import SCRIPT_FILE, UNIT_FILE, isolation_files
from .keyboards import keyboard_refusals
from .kvm_options import KVM_FILE, kvm_arguments, kvm_files, kvm_now, kvm_overridden, kvm_refusals, kvm_remedies
from .root_causes import with_root_causes
from .trial import TRIAL, panic_arguments
from .trial_files import TRIAL_FILES, trial_files
from .udev_rule import DRIVER, RULE_FILE, rule_text

IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION = "iommu", "devices", "hugepages", "cpu_isolation"
ACCESS, KVM, ARGUMENTS = "access", "kvm", "arguments"
#: All sections of a request.
SECTIONS = (IOMMU, DEVICES, HUGEPAGES, CPU_ISOLATION, ACCESS, KVM, ARGUMENTS)
#: Every file that a section may write on the machine.
OWN_FILES: Mapping[str, tuple[str, ...]] = {
    DEVICES: (RULE_FILE,),
    HUGEPAGES: (TMPFILES_FILE, WANTS_FILE, *(mount_unit_path(size) for size in HUGE_PAGE_SIZES_KB)),
    CPU_ISOLATION: (UNIT_FILE, SCRIPT_FILE),
    ACCESS: ACCESS_FILES,
    KVM: (KVM_FILE,),
    TRIAL: TRIAL_FILES,
}


class _Part(NamedTuple):
    """What one section contributes to the plan; None where it has nothing of that kind."""

    section: str
    arguments: tuple[str, ...] | None = None
    initramfs: InitramfsRequest | None = None
    files: tuple[File, ...] | None = None
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def owner_of(section: str) -> str:
    """Return the owner of a section's kernel arguments, as the module kernel_cmdline knows it."""
    return "bootloader" if section == ARGUMENTS else section


def plan_host(
    machine: Machine, desired: Desired, record: HostRecord, context: HostContext = NO_CONTEXT, replace: bool = False
) -> HostPlan | tuple[Refusal, ...]:
    """Return the desired state of the host, or all refusals at once.

    An unmanaged section stays as it is, and the decisions that earlier runs recorded for it count for the others: one
    run with all sections results in the same as one run for each section.

    Args:
        machine: The machine.
        desired: The request.
        record: What earlier runs decided.
        context: What the rules need beyond the machine.
        replace: Whether foreign lines that take functions are set aside.
    """
    devices = None
    if desired.devices is not None:
        devices = plan_devices(machine, desired.devices, record, desired.accepted)
        bound = tuple(binding.address for binding in devices.bindings)
        record = record._replace(devices=devices.recorded, bound=bound)
    near_devices = _nodes_of_devices(machine, record)
    cpus = None
    if desired.cpu_isolation is not None:
        cpus = plan_cpus(machine, desired.cpu_isolation, near_devices)
        record = record._replace(cpus=cpus.plan.guests if cpus.plan else ())
    hugepages = None
    if desired.hugepages is not None:
        near = (*near_devices, *_nodes_of_cpus(machine, record.cpus))
        hugepages = plan_hugepages(machine, desired.hugepages, near, desired.memory_for_host)
    bound_now = frozenset(record.bound)
    lines = _foreign_lines(machine, desired, bound_now, context)
    if replace and lines.concern_images:
        record = record._replace(set_aside=record.set_aside + 1)
    sections = _parts(machine, desired, context, devices, cpus, hugepages, record)
    parts = _with_trial(machine, desired.trial, context, tuple(sections))
    refusals = [*_host_refusals(machine, desired), *(refusal for part in parts for refusal in part.refusals)]
    remaining = without(machine, lines) if replace else machine
    if _judges_claims(desired, bound_now):
        refusals.extend(claim_refusals(remaining, bound_now, lines))
    refused = tuple(dict.fromkeys(refusal for refusal in refusals if refusal.code not in desired.accepted))
    if refused:
        return with_root_causes(machine, refused)
    files = {part.section: part.files for part in parts if part.files is not None}
    return HostPlan(
        arguments={part.section: part.arguments for part in parts if part.arguments is not None},
        initramfs={part.section: part.initramfs for part in parts if part.initramfs is not None},
        files={section: files[section] for section in OWN_FILES if section in files},
        bindings=devices.bindings if devices is not None else None,
        hugepages=hugepages.plan if hugepages is not None else None,
        cpus=cpus.plan if cpus is not None else None,
        record=record,
        notes=(
            *(note for part in parts for note in part.notes),
            *claim_notes(remaining, bound_now, cpus.plan if cpus is not None else None, lines),
            *(replaced_notes(lines) if replace else ()),
        ),
        foreign=tuple(set_aside_steps(lines, dict(context.foreign))) if replace else (),
        replaced_arguments=lines.arguments if replace else (),
    )


def _judges_claims(desired: Desired, bound: frozenset[str]) -> bool:
    """Return whether the request says which devices the host keeps: it does not if all that it selects are missing."""
    return desired.devices is not None and bool(bound or not desired.devices)


def _foreign_lines(machine: Machine, desired: Desired, bound: frozenset[str], context: HostContext) -> ForeignLines:
    if not _judges_claims(desired, bound):
        return NO_LINES
    return foreign_lines(machine, bound, dict(context.foreign), context.removable_arguments)


def _host_refusals(machine: Machine, desired: Desired) -> Iterator[Refusal]:
    """Yield why no device of this machine can be passed through."""
    if desired.iommu is not None or desired.devices:
        yield from iommu_refusals(machine)
    if desired.devices:
        yield from virtualization_refusals(machine)


def _parts(
    machine: Machine,
    desired: Desired,
    context: HostContext,
    devices: DevicesPlan | None,
    cpus: CpuResult | None,
    hugepages: HugePagesResult | None,
    record: HostRecord,
) -> Iterator[_Part]:
    """Yield the contribution of each section that is not unmanaged, in the order of their kernel arguments."""
    if desired.iommu is not None:
        yield _Part(IOMMU, arguments=iommu_arguments(machine, pass_through=desired.iommu.pass_through))
    if devices is not None:
        yield _devices_part(machine, devices, context, record)
    if cpus is not None:
        yield _cpus_part(machine, cpus, context)
    if hugepages is not None:
        yield _hugepages_part(hugepages, context)
    if desired.arguments is not None:
        yield _Part(ARGUMENTS, arguments=units(desired.arguments))
    if desired.access is not None:
        yield _access_part(desired.access, context)
    if desired.kvm is not None:
        yield _kvm_part(machine, desired.kvm, context)


def _devices_part(machine: Machine, devices: DevicesPlan, context: HostContext, record: HostRecord) -> _Part:
    # The section may be requested alone, so it enables the IOMMU too. An argument of two sections is written once.
    enable_iommu = iommu_arguments(machine) if devices.bindings else ()
    initramfs = _initramfs(devices.bindings, record.set_aside)
    return _Part(
        DEVICES,
        arguments=(*enable_iommu, *devices.arguments),
        initramfs=initramfs,
        files=initramfs.files,  # on the host too, see udev_rule
        refusals=(*devices.refusals, *keyboard_refusals(machine, devices.bindings, context.crypttab)),
        notes=devices.notes,
    )


def _initramfs(bindings: Sequence[Binding], revision: int) -> InitramfsRequest:
    if not bindings:
        return InitramfsRequest(revision=revision)
    return InitramfsRequest((File(RULE_FILE, rule_text(bindings), 0o644),), (DRIVER,), revision)


def _cpus_part(machine: Machine, cpus: CpuResult, context: HostContext) -> _Part:
    if cpus.plan is None:
        return _Part(CPU_ISOLATION, refusals=cpus.refusals)
    return _Part(
        CPU_ISOLATION,
        arguments=cpus.plan.arguments,
        files=isolation_files(cpus.plan),
        refusals=cpus.refusals,
        notes=tuple(cgroup_notes(cpus.plan, machine, context.mounts)),
    )


def _hugepages_part(hugepages: HugePagesResult, context: HostContext) -> _Part:
    own_mounts = [size for size in HUGE_PAGE_SIZES_KB if mount_unit_path(size) in context.own_files]
    return _Part(
        HUGEPAGES,
        arguments=hugepages.plan.arguments,
        files=hugepages_files(hugepages.plan, context.mounts, own_mounts),
        refusals=hugepages.refusals,
        notes=hugepages.notes,
    )


def _access_part(request: AccessRequest, context: HostContext) -> _Part:
    return _Part(
        ACCESS,
        files=access_files(request),
        refusals=tuple(access_refusals(request, context.groups)),
        notes=tuple(access_notes(request, context.groups, context.users)),
    )


def _kvm_part(machine: Machine, request: KvmRequest, context: HostContext) -> _Part:
    values = dict(context.kvm_values)
    options = kvm_now(machine, request, values)
    overridden = kvm_overridden(options, dict(context.modprobe), machine.boot.running.cmdline)
    return _Part(
        KVM,
        # KVM that is built into the kernel ignores modprobe.d: its parameters are set on the command line.
        arguments=kvm_arguments(machine, request) if context.kvm_built_in else (),
        files=kvm_files(machine, request),
        refusals=tuple(kvm_refusals(machine, request, values)),
        notes=(*overridden, *kvm_remedies(options)),
    )


def _with_trial(
    machine: Machine, is_requested: bool | None, context: HostContext, parts: tuple[_Part, ...]
) -> tuple[_Part, ...]:
    """Return the parts of all sections with that of trial boots, if these are requested or have to be removed."""
    if not is_requested:
        is_present = bool(context.own_files.intersection((*TRIAL_FILES, TRIAL_FILE)))
        return (*parts, _Part(TRIAL, arguments=(), files=())) if is_requested is False and is_present else parts
    managed = [unit for part in parts for unit in part.arguments or ()]
    lines = (machine.boot.running.cmdline, *(kernel.cmdline for kernel in machine.boot.kernels))
    return (*parts, _Part(TRIAL, arguments=panic_arguments(managed, lines), files=trial_files()))


def plan_absent(record: HostRecord, sections: Collection[str], context: HostContext = NO_CONTEXT) -> HostPlan:
    """Return the desired state of the host without these sections; there is no reason to refuse it.

    Args:
        record: What earlier runs decided.
        sections: The sections to remove, of SECTIONS.
        context: What the rules need beyond the machine.
    """
    if DEVICES in sections:
        record = record._replace(devices=(), bound=(), set_aside=0)
    if CPU_ISOLATION in sections:
        record = record._replace(cpus=())
    if set(SECTIONS) <= set(sections):
        sections = (*sections, TRIAL)  # nothing is left that could be tried
    return HostPlan(
        arguments={section: () for section in (*SECTIONS, TRIAL) if section in sections and section != ACCESS},
        initramfs={DEVICES: InitramfsRequest()} if DEVICES in sections else {},
        files={section: () for section in OWN_FILES if section in sections},
        bindings=() if DEVICES in sections else None,
        hugepages=None,
        cpus=None,
        record=record,
        notes=(),
        foreign=tuple(put_back_steps(dict(context.foreign))) if DEVICES in sections else (),
    )


def _nodes_of_devices(machine: Machine, record: HostRecord) -> tuple[int, ...]:
    """Return the NUMA nodes of bound functions, those of selected devices first; none where no node is nearer."""
    selected = (function for device in record.devices for function in device.functions)
    # An absent virtual function is as near as the function that creates it.
    addresses = (
        *(address if address in machine.pci else identity.physical_function for address, identity in selected),
        *record.bound,
    )
    functions = [machine.pci[address] for address in addresses if address is not None and address in machine.pci]
    nodes = [function.numa_node for function in functions]
    return tuple(node for node in dict.fromkeys(nodes) if node is not None)


def _nodes_of_cpus(machine: Machine, cpus: Iterable[int]) -> tuple[int, ...]:
    guests = set(cpus)
    nodes = [core.node for core in machine.cpus.cores if guests.intersection(core.cpus)]
    return tuple(node for node in dict.fromkeys(nodes) if node is not None)
