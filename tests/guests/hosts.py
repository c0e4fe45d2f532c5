# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as they are after `provision` and a reboot: devices on vfio-pci, huge pages allocated, CPUs chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.vfio.workstation.plugins.module_utils._machine import HugePages, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    KVM,
    QEMU,
    Capabilities,
    DiskRequest,
    GuestRequest,
    HostFiles,
    Networks,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import Host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import HOST_CODES
from ansible_collections.vfio.workstation.plugins.module_utils._plan.select import is_needed
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.host_files import read_host_files
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines import build

DISK, MEDIUM = "/var/lib/libvirt/images/guest.qcow2", "/srv/iso/installer.iso"
GIB = 1 << 30
#: Domains that are defined for tests: KVM's where this computer has it.
DOMAIN_TYPE = KVM if os.access("/dev/kvm", os.R_OK | os.W_OK) else QEMU

#: What libvirt 9.0 with QEMU 10.0 reports where KVM has all enlightenments.
CAPABILITIES = Capabilities(
    machine="pc-q35-10.0",
    firmware=frozenset({"efi"}),
    secure_boot=True,
    cpu_modes=frozenset({"host-passthrough", "maximum", "host-model", "custom"}),
    hyperv=frozenset(
        {
            *("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "vendor_id"),
            *("frequencies", "reenlightenment", "tlbflush", "ipi", "evmcs", "avic"),
        }
    ),
    tlbflush=frozenset(),
    tpm_backends=frozenset({"passthrough", "emulator", "external"}),
    graphics=frozenset({"vnc", "spice"}),
    video=frozenset({"vga", "bochs", "virtio", "none", "qxl"}),
)
#: The same with libvirt 11.3.
NEWER = CAPABILITIES._replace(
    hyperv=(CAPABILITIES.hyperv or frozenset()) | {"emsr_bitmap", "xmm_input"},
    tlbflush=frozenset({"direct", "extended"}),
)
NETWORKS = Networks(frozenset({"default"}), frozenset({"default"}))


def provisioned(name: str, directory: Path, request: Mapping[str, Any] | None = None) -> Host:
    """Return a described machine as it is after `provision`.

    Args:
        name: The description.
        directory: Where to build its files.
        request: The request for the host; by default, the first GPU that the host can spare, half of the memory in
            huge pages, and CPUs. Refusals are overridden: machines that can't be provisioned are hosts as well here.
    """
    root = build(name, directory)
    machine = probe(str(root)).host
    options = {**(request if request is not None else usual_request(machine)), "accept": sorted(HOST_CODES)}
    desired = parse_desired(options)
    assert isinstance(desired, Desired), desired
    plan = plan_host(machine, desired, HostRecord())
    assert isinstance(plan, HostPlan), plan
    files = read_host_files(Tree(str(root)), ())
    files = files._replace(paths={DISK: "file", MEDIUM: "file"}, bridges=frozenset({"br0"}))
    return Host(after_reboot(machine, plan), plan.record, CAPABILITIES, files, NETWORKS)


def host_of(machine: Machine, record: HostRecord | None = None, **changes: Any) -> Host:
    """Return a machine as a value as a host: with all CPUs but those of the first two cores for guests."""
    if record is None:
        record = HostRecord(cpus=tuple(cpu for core in machine.cpus.cores[2:] for cpu in core.cpus))
    flags = frozenset({"svm", "topoext"})
    files = HostFiles("tsc", flags, {DISK: "file", MEDIUM: "file", "/dev/vg/guest": "block"}, frozenset({"br0"}))
    return Host(machine, record, CAPABILITIES, files, NETWORKS)._replace(**changes)


def usual_guest(host: Host, system: str) -> GuestRequest:
    """Return what a user would request of a guest: all devices, a disk, and the medium to install from."""
    devices = tuple(dict.fromkeys(device.name for device in host.record.devices))
    return GuestRequest("guest", system, devices, disk=DiskRequest(DISK), isos=(MEDIUM,))


def usual_request(machine: Machine) -> dict[str, Any]:
    """Return what a user would request of a host."""
    gpus = [
        address
        for address, function in machine.pci.items()
        if (function.class_ or "").startswith("03") and not function.boot_display and not is_needed(function)
    ]
    request: dict[str, Any] = {"cpu_isolation": {}} if machine.cpus.cores and machine.cpus.online else {}
    if gpus:
        request["devices"] = [{"name": "gpu", "select": gpus[0]}]
    return request


def after_reboot(machine: Machine, plan: HostPlan) -> Machine:
    """Return a machine with a host's plan in effect, and half of each node's memory in huge pages."""
    functions = {
        address: function._replace(driver="vfio-pci") if address in plan.record.bound else function
        for address, function in machine.pci.items()
    }
    nodes = {}
    for name, node in machine.memory.nodes.items():
        pages = (node.total_bytes or 0) // 2 // GIB
        size, count = ("1048576", pages) if pages > 1 else ("2048", 512)
        nodes[name] = node._replace(hugepages={size: HugePages(count, count, 0)} if node.total_bytes else {})
    return machine._replace(pci=functions, memory=machine.memory._replace(nodes=nodes))
