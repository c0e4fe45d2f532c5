# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values that pass between the layers: immutable, without side effects, serializable as JSON.

They are named tuples rather than dataclasses: immutable as well, and cheap enough for machines with thousands of PCI
functions.
"""

from __future__ import annotations

from .boot import Boot, Kernel, RunningKernel
from .claims import Claim
from .cpu import Cpu, InterruptVirtualization, PostedInterrupts, Virtualization
from .encode import to_json
from .iommu import Iommu, IommuGroup, ReservedRegion
from .machine import Keyboard, Machine, Os, Reading, Unreadable
from .memory import HugePages, Memory, MemoryNode
from .pci import Bar, Link, PciFunction, Use
from .topology import Core, Cpus, L3Group

__all__ = [
    "Bar",
    "Boot",
    "Claim",
    "Core",
    "Cpu",
    "Cpus",
    "HugePages",
    "InterruptVirtualization",
    "Iommu",
    "IommuGroup",
    "Kernel",
    "Keyboard",
    "L3Group",
    "Link",
    "Machine",
    "Memory",
    "MemoryNode",
    "Os",
    "PciFunction",
    "PostedInterrupts",
    "Reading",
    "ReservedRegion",
    "RunningKernel",
    "Unreadable",
    "Use",
    "Virtualization",
    "to_json",
]
