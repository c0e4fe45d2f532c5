# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI functions."""

from __future__ import annotations

from typing import NamedTuple

from .claims import Claim


class Bar(NamedTuple):
    """A base address register in use."""

    index_: int  # 0 to 5
    kind: str  # "memory" or "io"
    size_bytes: int
    prefetchable: bool
    is_64bit: bool
    resizable: bool | None  # None before Linux 6.1, which does not report it
    resizable_to_bytes: tuple[int, ...]  # supported sizes, when resizable


class Link(NamedTuple):
    """A PCI Express link. `current_*` is None while the function is suspended: reading it would resume the function."""

    current_speed_gts: float | None  # gigatransfers per second per lane
    current_width: int | None  # lanes
    max_speed_gts: float | None
    max_width: int | None


class Use(NamedTuple):
    """A use of a function that the host would lose with the function."""

    kind: str  # "mount", "swap", "zfs_pool", "default_route", "ssh_session", "process", "virtual_machine", "keyboard"
    name: str  # mount point, swap file, pool, interface, process, or keyboard
    via: str  # the device node or network interface by which it uses the function


class PciFunction(NamedTuple):
    """One PCI function: the unit that drivers bind to and that is passed through to a guest."""

    vendor: str | None  # four lower-case hexadecimal digits, like the next three
    device: str | None
    subsystem_vendor: str | None
    subsystem_device: str | None
    class_: str | None  # six digits: class, subclass, programming interface
    revision: str | None  # two digits
    vendor_name: str | None  # from the machine's own pci.ids
    device_name: str | None
    driver: str | None
    iommu_group: str | None
    numa_node: int | None  # None where the kernel reports -1: no node is nearer than another
    local_cpus: tuple[int, ...] | None
    boot_display: bool | None
    parent: str | None  # address of the bridge above; None on a root bus
    bridge: bool | None  # PCI-to-PCI or CardBus bridge: stays with the host, never passed through
    physical_function: str | None  # address, of an SR-IOV virtual function; else None
    virtual_functions: tuple[str, ...]  # addresses, in order of their SR-IOV number
    removable: str | None  # by the user, "fixed" or "removable"; None if unknown to the kernel, and before Linux 5.14
    reset_methods: tuple[str, ...] | None  # None before Linux 5.15
    bars: tuple[Bar, ...] | None
    link: Link | None
    serial_number: str | None  # PCI Express, "00-11-22-ff-ff-33-44-55"; None for bridges, and while suspended
    in_use_by: tuple[Use, ...]
    claims: tuple[Claim, ...] = ()  # what takes it from the host's driver, or keeps that driver from it
