# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IOMMU and its groups."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class ReservedRegion(NamedTuple):
    """A reserved range of I/O virtual addresses: a device of the group needs it, or must not use it.

    The firmware declares regions of types direct and direct-relaxable: RMRR on Intel, IVMD on AMD.
    """

    start: str  # hexadecimal with 0x, as the kernel prints it: JSON readers lose precision of 64-bit integers
    end: str
    type: str  # "direct", "direct-relaxable", "reserved", "msi"


class IommuGroup(NamedTuple):
    """The smallest set of devices that the IOMMU can isolate from all others."""

    type: str | None  # "DMA", "DMA-FQ", "identity", "auto", "blocked"; None before Linux 5.11
    members: tuple[str, ...]  # full PCI addresses, or names of platform devices on ARM boards
    reserved_regions: tuple[ReservedRegion, ...]


class Iommu(NamedTuple):
    """The IOMMU: its kind, whether it is enabled, and if not, why."""

    kind: str | None  # "intel", "amd", "smmu", "virtio"
    state: str  # "enabled", "disabled_in_kernel", "disabled_by_firmware", "absent", "unknown"
    reason: str
    interrupt_remapping: bool | None
    groups: Mapping[str, IommuGroup]
