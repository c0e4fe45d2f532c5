# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole machine, and the result of probing it."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from .boot import Boot
from .claims import Claim
from .cpu import Cpu
from .iommu import Iommu
from .memory import Memory
from .pci import PciFunction
from .topology import Cpus


class Os(NamedTuple):
    """The distribution, by os-release(5)."""

    id: str | None
    version_id: str | None
    like: tuple[str, ...]


class Keyboard(NamedTuple):
    """A keyboard of the host."""

    name: str
    node: str  # "event5"
    function: str | None  # address of the PCI function that connects it; None for PS/2


class Machine(NamedTuple):
    """Everything that the probe knows about a machine. What is unknown is None."""

    cpu: Cpu
    iommu: Iommu
    pci: Mapping[str, PciFunction]  # by full address, in bus order
    cpus: Cpus
    memory: Memory
    boot: Boot
    os: Os
    claims: tuple[Claim, ...] = ()  # those that concern no present function
    keyboards: tuple[Keyboard, ...] = ()


class Unreadable(NamedTuple):
    """A file that exists but can't be read for lack of permission."""

    path: str
    error: str
    values: tuple[str, ...]  # the values of the machine that are derived from it


class Reading(NamedTuple):
    """A machine, and which of its files could not be read for lack of permission."""

    host: Machine
    unreadable: tuple[Unreadable, ...]
