# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user requests of a machine. A section that is None is unmanaged: it stays as it is."""

from __future__ import annotations

from typing import NamedTuple

#: DeviceRequest.functions: bind all functions of the selected device's slot, or only the selected ones.
ALL, SELECTED = "all", "selected"
#: DeviceRequest.bind_by: bind one function by its address and identity, or every function that has its ids.
BY_FUNCTION, BY_ID = "function", "id"
#: Instead of a list: the plan chooses.
AUTO = "auto"
#: When huge pages are allocated.
AT_BOOT, AT_RUN = "boot", "run"
#: CpuIsolationRequest.mode: CPUs are isolated while a guest runs, or from boot on.
DYNAMIC, BOOT = "dynamic", "boot"


class Selector(NamedTuple):
    """The properties that a PCI function must have to be selected. None matches anything."""

    address: str | None = None
    slot: str | None = None  # an address without its function: 0000:41:00
    class_: tuple[str, ...] | None = None  # alternatives, each the leading digits of a class
    class_name: str | None = None  # the class as the user wrote it
    vendor: tuple[str, ...] | None = None  # alternatives, each of four hexadecimal digits
    device: str | None = None
    subsystem_vendor: str | None = None
    subsystem_device: str | None = None
    model: tuple[str, ...] | None = None  # words, in lower case, all of which its vendor and device names must contain
    boot_display: bool | None = None
    driver: str | None = None


class DeviceRequest(NamedTuple):
    """A request to bind a device to vfio-pci, for guests."""

    name: str
    select: Selector
    functions: str = ALL
    bind_by: str = BY_FUNCTION
    with_group: tuple[Selector, ...] = ()  # further members of its IOMMU group to bind with it


class IommuRequest(NamedTuple):
    """A request to enable the IOMMU."""

    pass_through: bool = False  # identity mapping for devices of the host


class HugePagesRequest(NamedTuple):
    """A request for huge pages of one size, spread evenly over NUMA nodes."""

    size_kb: int
    pages: int
    nodes: tuple[int, ...] | str | None = AUTO  # AUTO: the nodes of guests' devices and CPUs; None: the kernel chooses
    at: str = AUTO


class CpuIsolationRequest(NamedTuple):
    """A request to isolate CPUs for guests."""

    cpus: tuple[int, ...] | str = AUTO  # an empty tuple: no CPU is isolated any more
    keep_for_host: int | None = None  # whole cores; None: two where the machine has four or more, otherwise one
    cores: int | None = None  # with AUTO, the number of whole cores for guests; None: those that share one cache
    mode: str = DYNAMIC


class AccessRequest(NamedTuple):
    """A request for access to guests' devices without root. When empty, nobody gets access."""

    group: str | None = None  # may open the device nodes of VFIO
    memlock_users: tuple[str, ...] = ()  # may lock memory: VFIO locks all memory of a guest
    memlock_groups: tuple[str, ...] = ()
    memlock_bytes: int | None = None  # the most that they may lock; None: unlimited


class KvmRequest(NamedTuple):
    """A request for options of KVM. None leaves an option to the kernel and the distribution."""

    nested: bool | None = None  # nested virtualization: guests can run guests
    ignore_msrs: bool | None = None  # a guest's access to an MSR unknown to KVM is ignored instead of faulting
    report_ignored_msrs: bool | None = None  # each ignored access is logged by the kernel
    interrupt_virtualization: bool | None = None  # APICv or AVIC


class Desired(NamedTuple):
    """The whole request for a machine."""

    iommu: IommuRequest | None = None
    devices: tuple[DeviceRequest, ...] | None = None
    hugepages: tuple[HugePagesRequest, ...] | None = None
    cpu_isolation: CpuIsolationRequest | None = None
    access: AccessRequest | None = None
    kvm: KvmRequest | None = None
    arguments: tuple[str, ...] | None = None  # additional units for the kernel command line
    trial: bool | None = None  # whether a change is booted on trial first; None: as an earlier run left it
    trial_timeout: int = 600  # seconds after which a trial boot that was not confirmed returns
    memory_for_host: int | None = None  # bytes that huge pages must leave; None: the rule of _plan.hugepages
    accepted: frozenset[str] = frozenset()  # codes of refusals to override
