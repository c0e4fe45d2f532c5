# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running guest: what its agent reports from inside, and what its process shows on the host."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class GuestFunction(NamedTuple):
    """A PCI function, as the system in the guest has it."""

    vendor: str  # four hexadecimal digits
    device: str
    driver: str | None
    problem: int | None = None  # the problem code of Windows; None: none


class GuestCpus(NamedTuple):
    """The CPUs that the system in the guest has online."""

    threads: int
    cores: int
    packages: int


class GuestInside(NamedTuple):
    """What the system in a guest reports. None: it does not say."""

    functions: tuple[GuestFunction, ...]
    cpus: GuestCpus | None = None
    secure_boot: bool | None = None
    tpm: bool | None = None
    virtualization_based_security: bool | None = None  # whether it is running


class GuestProcess(NamedTuple):
    """The process of a guest on the host. None: unknown."""

    cpus: Mapping[int, tuple[int, ...]]  # vCPU -> CPUs of the host that its thread may run on
    page_bytes: int | None  # size of the pages of its largest mapping, which is the guest's memory
