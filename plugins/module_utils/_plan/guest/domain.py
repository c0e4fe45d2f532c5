# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for a domain: all subjects together, and the change from the domain that exists."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..._machine import Machine
from ..._machine.guest import (
    WINDOWS11,
    Capabilities,
    Domain,
    DomainPlan,
    GuestRequest,
    HostFiles,
    Mark,
    Networks,
    Setting,
)
from ..._machine.host_plan import HostRecord
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..notation import size_text
from ..refusals import refuse
from .cpu import CpuLayout, cpu_settings, plan_cpus
from .devices import GuestDevices, Ports, device_settings, find_devices
from .disks import boot_settings, disk_refusals, disk_settings
from .display import channel_settings, display_refusals, display_settings
from .existing import Existing
from .firmware import board_settings, firmware_refusals, firmware_settings, tpm_settings
from .looking_glass import looking_glass_notes, looking_glass_settings
from .mark import DamagedMark, read_mark, with_mark
from .memory import MemoryLayout, cells, memory_settings, plan_memory
from .merge import merge, restore, take_ownership
from .network import network_notes, network_refusals, network_settings
from .usb import usb_notes, usb_refusals, usb_settings
from .user_xml import user_settings, with_user_settings
from .windows import clock_settings, windows_notes, windows_refusals, windows_settings

_Q35 = "q35"
_ARM = "arm"
#: What Windows 11 requires (Microsoft, Windows 11 specifications).
_LEAST_MEMORY, _LEAST_CPUS = 4 << 30, 2


class Host(NamedTuple):
    """What a plan is made from, besides the request."""

    machine: Machine
    record: HostRecord
    capabilities: Capabilities
    files: HostFiles
    networks: Networks


class DomainChange(NamedTuple):
    """A domain before and after a run; None where there is none."""

    before: Element | None
    after: Element | None
    refusals: tuple[Refusal, ...] = ()
    plan: DomainPlan | None = None
    is_adopted: bool = False
    notes: tuple[str, ...] = ()  # for the user, besides those of the plan

    @property
    def is_due(self) -> bool:
        """Whether the run changes the domain."""
        return not self.refusals and self.before != self.after


def plan_present(host: Host, request: GuestRequest, domain: Domain | None) -> DomainChange:
    """Return the change that makes a domain what is requested.

    Args:
        host: The host.
        request: The request.
        domain: The domain of that name; None where there is none.
    """
    before = domain.xml if domain else None
    existing = _existing(request.name, before)
    if not isinstance(existing, Existing):
        return DomainChange(before, before, existing)
    if before is not None and existing.mark is None and not request.adopt:
        seen = f"{request.name}: libvirt has a domain of this name, which this collection did not create"
        return DomainChange(before, before, (refuse("domain_is_not_ours", seen),))
    plan = plan_domain(host, request, existing)
    if not isinstance(plan, DomainPlan):
        return DomainChange(before, before, plan, is_adopted=existing.is_adopted)
    return DomainChange(before, _applied(request, existing, plan), (), plan, existing.is_adopted)


def plan_absent(name: str, domain: Domain | None) -> DomainChange:
    """Return the change that removes a domain of ours, or returns an adopted one as it was."""
    before = domain.xml if domain else None
    existing = _existing(name, before)
    if not isinstance(existing, Existing):
        return DomainChange(before, before, existing)
    if before is None or domain is None:
        return DomainChange(None, None)
    if existing.mark is None:
        note = "the domain stays: this collection neither created nor adopted it, or has returned it already"
        return DomainChange(before, before, notes=(note,))
    if existing.is_adopted:
        return DomainChange(before, with_mark(restore(before, existing.mark.owned), None), is_adopted=True)
    if domain.is_running:
        return DomainChange(before, before, (refuse("guest_running", f"{name}: the guest runs"),))
    return DomainChange(before, None)


def _existing(name: str, domain: Element | None) -> Existing | tuple[Refusal, ...]:
    if domain is None:
        return Existing()
    try:
        return Existing(domain, read_mark(domain))
    except DamagedMark as error:
        remedy = f"Remove the element <vfio-workstation:guest> with `virsh edit {name}`, and adopt the domain."
        return (refuse("record_damaged", f"{name}: the mark in <metadata> can't be read: {error}", remedy=remedy),)


def _applied(request: GuestRequest, existing: Existing, plan: DomainPlan) -> Element:
    """Return the domain with the plan's settings, without those of earlier runs that are no longer planned."""
    mark = existing.mark or Mark(existing.domain is None, (), ())
    domain = existing.domain
    if domain is None:
        domain = element("domain", element("name", request.name), type=request.domain_type)
    owned = take_ownership(domain, plan.settings, mark.owned)
    locations = {(prior.parent, prior.key) for prior in owned}
    gone = [prior for prior in mark.owned if (prior.parent, prior.key) not in locations]
    merged = merge(restore(domain, gone), plan.settings)
    return with_mark(merged, mark._replace(owned=tuple(owned), ports=plan.ports))


def plan_domain(host: Host, request: GuestRequest, existing: Existing) -> DomainPlan | tuple[Refusal, ...]:
    """Return the settings of a domain, or why they are refused."""
    devices = find_devices(host.machine, host.record, request)
    layout = plan_cpus(host.machine, host.record, request, host.files)
    memory = plan_memory(host.machine, request, layout) if isinstance(layout, CpuLayout) else ()
    refusals = (
        *_refusals(host, request, existing),
        *devices.refusals,
        *(() if isinstance(layout, CpuLayout) else layout),
        *(() if isinstance(memory, MemoryLayout) else memory),
    )
    kept = tuple(refusal for refusal in refusals if refusal.code not in request.accepted)
    if kept or not isinstance(layout, CpuLayout) or not isinstance(memory, MemoryLayout):
        return kept or refusals
    ports = Ports(existing.mark.ports if existing.mark else (), _controllers(existing.domain))
    settings = _settings(host, request, existing, layout, memory, devices, ports)
    if request.xml is not None:
        settings = with_user_settings(settings, user_settings(request.xml))
    return DomainPlan(
        settings=settings,
        ports=tuple(ports.used.items()),
        devices=devices.functions,
        pins=layout.pins,
        memory_bytes=memory.total,
        notes=(
            *layout.notes,
            *memory.notes,
            *devices.notes,
            *windows_notes(request, host.capabilities, host.files),
            *network_notes(request, host.networks, existing),
            *looking_glass_notes(request),
            *usb_notes(request, host.files.usb),
            *_size_notes(request, layout, memory),
        ),
    )


def _refusals(host: Host, request: GuestRequest, existing: Existing) -> Iterator[Refusal]:
    machine_type = _machine_type(host.capabilities, existing.domain)
    if host.machine.cpu.vendor == _ARM:
        seen = f"{request.name}: the host has an ARM processor, and guests are planned for x86 processors"
        yield refuse(
            "machine_type_unsupported", seen, remedy="Define the guest with other tools, such as virt-install."
        )
    elif _Q35 not in machine_type:
        seen = f"{request.name}: the domain has the machine type {machine_type}, whose board has no PCI Express"
        yield refuse("machine_type_unsupported", seen)
    yield from firmware_refusals(request, host.capabilities, existing)
    yield from windows_refusals(host.machine, request)
    yield from disk_refusals(request, host.files)
    yield from network_refusals(request, host.files, host.networks, existing)
    yield from display_refusals(request, host.capabilities, host.files, existing)
    yield from usb_refusals(request, host.files.usb)


def _machine_type(capabilities: Capabilities, domain: Element | None) -> str:
    """Return the machine type. A domain keeps its version: Windows notices another board, and may need activation."""
    kind = domain.first("os", "type") if domain is not None else None
    return (kind.get("machine") if kind is not None else None) or capabilities.machine


def _settings(
    host: Host,
    request: GuestRequest,
    existing: Existing,
    layout: CpuLayout,
    memory: MemoryLayout,
    devices: GuestDevices,
    ports: Ports,
) -> tuple[Setting, ...]:
    capabilities = host.capabilities
    of_nodes = {node: number for number, node in enumerate(memory.by_node)} if len(memory.by_node) > 1 else {}
    settings = [
        *memory_settings(memory),
        *cpu_settings(host.machine, request, layout, cells(layout, memory)),
        *windows_settings(host.machine, request, capabilities),
        *clock_settings(request, with_offset=not existing.is_adopted),
        *device_settings(host.machine, devices.functions, ports, of_nodes),
        *tpm_settings(request, existing),
        *disk_settings(request, host.files),
        *network_settings(request, existing),
        *display_settings(request, capabilities, existing),
        *looking_glass_settings(request),
        *usb_settings(request, host.files.usb),
    ]
    if not existing.is_adopted:
        settings += [
            *firmware_settings(request, _machine_type(capabilities, existing.domain)),
            *boot_settings(existing),
            *board_settings(),
            *channel_settings(),
        ]
    return tuple(settings)


def _controllers(domain: Element | None) -> Iterator[int]:
    for controller in domain.all("devices", "controller") if domain is not None else ():
        index = controller.get("index") or ""
        if controller.get("type") == "pci" and index.isdigit():
            yield int(index)


def _size_notes(request: GuestRequest, layout: CpuLayout, memory: MemoryLayout) -> Iterator[str]:
    if request.os == WINDOWS11 and memory.total < _LEAST_MEMORY:
        yield f"Windows 11 requires {size_text(_LEAST_MEMORY)} of memory, and the guest has {size_text(memory.total)}"
    if request.os == WINDOWS11 and len(layout.pins) < _LEAST_CPUS:
        yield f"Windows 11 requires {_LEAST_CPUS} CPUs, and the guest has {len(layout.pins)}"
    if request.is_windows and layout.sockets > 1:
        yield f"the guest has {layout.sockets} sockets: editions of Windows for the home use one, others two"
