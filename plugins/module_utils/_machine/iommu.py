# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IOMMU and the groups it isolates."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class ReservedRegion(NamedTuple):
    """A range of I/O virtual addresses that a device of the group needs or may not use."""

    start: str  # hexadecimal with 0x, as the kernel prints it: JSON readers lose 64-bit integers
    end: str
    type: str  # "direct", "direct-relaxable", "reserved", "msi"


class IommuGroup(NamedTuple):
    """The smallest set of devices that the IOMMU can keep apart from the rest."""

    type: str | None  # "DMA", "DMA-FQ", "identity", "auto", "blocked"; None before Linux 5.11
    members: tuple[str, ...]  # full PCI addresses, or names of platform devices on ARM boards
    reserved_regions: tuple[ReservedRegion, ...]


class Iommu(NamedTuple):
    """The IOMMU: whether it is there, whether it is on, and if not, why not."""

    kind: str | None  # "intel", "amd", "smmu", "virtio"
    state: str  # "enabled", "disabled_in_kernel", "disabled_by_firmware", "absent", "unknown"
    reason: str
    interrupt_remapping: bool | None
    groups: Mapping[str, IommuGroup]
