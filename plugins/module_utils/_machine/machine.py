# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole machine, and a reading of it."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from .boot import Boot
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


class Machine(NamedTuple):
    """Everything the probe knows. Unknown is None."""

    cpu: Cpu
    iommu: Iommu
    pci: Mapping[str, PciFunction]  # by full address, in bus order
    cpus: Cpus
    memory: Memory
    boot: Boot
    os: Os


class Unreadable(NamedTuple):
    """A file that exists and that we have no right to read."""

    path: str
    error: str
    values: tuple[str, ...]  # the values of the machine that rest on it


class Reading(NamedTuple):
    """A machine, and what could not be read of it for lack of rights."""

    host: Machine
    unreadable: tuple[Unreadable, ...]
