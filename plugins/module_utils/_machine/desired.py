# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person wants a machine to be. A section that is None is not spoken of, and stays as it is."""

from __future__ import annotations

from typing import NamedTuple

#: Which functions of the selected slot are bound.
ALL, SELECTED = "all", "selected"
#: How a function is told to the kernel: one by its address and identity, or every one with its ids.
BY_FUNCTION, BY_ID = "function", "id"
#: In place of a list: to be worked out.
AUTO = "auto"
#: When huge pages are allocated.
AT_BOOT, AT_RUN = "boot", "run"
#: How CPUs are kept for guests: while one runs, or from boot on.
DYNAMIC, BOOT = "dynamic", "boot"


class Selector(NamedTuple):
    """What a function must be like. None leaves it open."""

    address: str | None = None
    slot: str | None = None  # an address without its function: 0000:41:00
    class_: tuple[str, ...] | None = None  # leading digits of the class, any of them
    class_name: str | None = None  # as the person wrote it
    vendor: tuple[str, ...] | None = None  # four hexadecimal digits, any of them
    device: str | None = None
    subsystem_vendor: str | None = None
    subsystem_device: str | None = None
    model: tuple[str, ...] | None = None  # words, in lower case, that its names must have
    boot_display: bool | None = None
    driver: str | None = None


class DeviceRequest(NamedTuple):
    """A device that guests shall have."""

    name: str
    select: Selector
    functions: str = ALL
    bind_by: str = BY_FUNCTION
    with_group: tuple[Selector, ...] = ()  # members of its IOMMU group that are given away with it


class IommuRequest(NamedTuple):
    """The IOMMU shall be on."""

    pass_through: bool = False  # identity mapping for the host's own drivers


class HugePagesRequest(NamedTuple):
    """Memory set aside in pages of one size, spread evenly over the nodes."""

    size_kb: int
    pages: int
    nodes: tuple[int, ...] | str | None = AUTO  # AUTO: where devices and CPUs are; None: where the kernel likes
    at: str = AUTO


class CpuIsolationRequest(NamedTuple):
    """CPUs kept for guests."""

    cpus: tuple[int, ...] | str = AUTO  # none: no CPU is kept for guests any more
    keep_for_host: int | None = None  # whole cores; None: two where the machine has four or more, else one
    cores: int | None = None  # whole ones, for AUTO; None: those of one cache
    mode: str = DYNAMIC


class AccessRequest(NamedTuple):
    """Who may use devices of guests without being root. Of nothing: nobody."""

    group: str | None = None  # may open the devices that VFIO has
    memlock_users: tuple[str, ...] = ()  # may lock memory, as VFIO does with all of a guest's
    memlock_groups: tuple[str, ...] = ()
    memlock_bytes: int | None = None  # how much; None: as much as they like


class KvmRequest(NamedTuple):
    """How KVM is set. None leaves an option to the kernel and the distribution."""

    nested: bool | None = None  # guests can run guests
    ignore_msrs: bool | None = None  # a register that KVM does not know is no fault in the guest
    report_ignored_msrs: bool | None = None  # each such access has a line in the kernel's log
    interrupt_virtualization: bool | None = None  # APICv or AVIC


class Desired(NamedTuple):
    """All of it."""

    iommu: IommuRequest | None = None
    devices: tuple[DeviceRequest, ...] | None = None
    hugepages: tuple[HugePagesRequest, ...] | None = None
    cpu_isolation: CpuIsolationRequest | None = None
    access: AccessRequest | None = None
    kvm: KvmRequest | None = None
    arguments: tuple[str, ...] | None = None  # units of the kernel's command line, of the person's own
    memory_for_host: int | None = None  # bytes that huge pages must leave; None: the rule of _plan.hugepages
    accepted: frozenset[str] = frozenset()  # codes of refusals that the person takes upon them
