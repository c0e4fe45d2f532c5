# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kernel arguments put the IOMMU on, or why none does."""

from __future__ import annotations

from typing import Iterator

from .._machine import Machine
from .._machine.cmdline import parse
from .._machine.plan import Refusal
from .refusals import refuse

_STATES = {
    "absent": "iommu_absent",
    "disabled_by_firmware": "iommu_disabled_by_firmware",
    "unknown": "iommu_unknown",
}
_CPU_STATES = {
    "unsupported": "cpu_virtualization_unsupported",
    "disabled_by_firmware": "cpu_virtualization_disabled_by_firmware",
}
_INTEL_ON = "intel_iommu=on"


def iommu_arguments(machine: Machine, *, pass_through: bool = False) -> tuple[str, ...]:
    """Return what must stand on the command line for the IOMMU to be on.

    Intel's is off unless the kernel was built with CONFIG_INTEL_IOMMU_DEFAULT_ON. One that is on without the argument
    needs none; one that is on with it may be so because of it, and it stays. AMD's is on by default, and `amd_iommu=on`
    is no option (drivers/iommu/amd/init.c, parse_amd_iommu_options()).

    Args:
        machine: The machine.
        pass_through: Whether the host's own drivers get identity mapping. Devices of guests stay translated.
    """
    found = []
    if machine.iommu.kind == "intel" and (
        machine.iommu.state != "enabled" or _running_has(machine, "intel_iommu", "on")
    ):
        found.append(_INTEL_ON)
    if pass_through:
        found.append("iommu=pt")
    return tuple(found)


def iommu_refusals(machine: Machine) -> Iterator[Refusal]:
    """Yield why the IOMMU can't be put on."""
    iommu = machine.iommu
    if iommu.state in _STATES:
        yield refuse(_STATES[iommu.state], f"IOMMU: {iommu.reason}")
    elif iommu.state == "disabled_in_kernel" and not _arguments_help(machine):
        yield refuse("iommu_disabled_in_kernel", f"IOMMU: {iommu.reason}")


def virtualization_refusals(machine: Machine) -> Iterator[Refusal]:
    """Yield why no guest can run here, however many devices there are for it."""
    virtualization = machine.cpu.virtualization
    if virtualization.state in _CPU_STATES:
        yield refuse(_CPU_STATES[virtualization.state], f"Processor: {virtualization.reason}")


def _arguments_help(machine: Machine) -> bool:
    """Tell whether another command line may put the IOMMU on: ours, or this one without what switches it off.

    Whatever switches it off contradicts our arguments, so that the command line's own rule deals with it.
    """
    names = ("iommu", "intel_iommu", "amd_iommu")
    if any(_running_has(machine, name, "off") for name in names):
        return True
    return machine.iommu.kind == "intel" and not _running_has(machine, "intel_iommu", "on")


def _running_has(machine: Machine, name: str, word: str) -> bool:
    arguments = parse(machine.boot.running.cmdline or "").arguments
    return any(one.name == name and word in (one.value or "").split(",") for one in arguments)
