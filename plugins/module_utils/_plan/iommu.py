# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel arguments that enable the IOMMU, and why it can't be enabled."""

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
    """Return the kernel arguments that the IOMMU needs to be enabled.

    Intel's IOMMU is off unless the kernel was built with CONFIG_INTEL_IOMMU_DEFAULT_ON, so it needs the argument unless
    it is enabled without it. AMD's is on by default, and `amd_iommu=on` is no valid option
    (parse_amd_iommu_options() in drivers/iommu/amd/init.c).

    Args:
        machine: The machine.
        pass_through: Whether the host's own devices get identity mapping. Guests' devices are always translated.
    """
    arguments = []
    if machine.iommu.kind == "intel" and (
        machine.iommu.state != "enabled" or _running_has(machine, "intel_iommu", "on")
    ):
        arguments.append(_INTEL_ON)
    if pass_through:
        arguments.append("iommu=pt")
    return tuple(arguments)


def iommu_refusals(machine: Machine) -> Iterator[Refusal]:
    """Yield a refusal if the IOMMU can't be enabled."""
    iommu = machine.iommu
    if iommu.state in _STATES:
        yield refuse(_STATES[iommu.state], f"IOMMU: {iommu.reason}")
    elif iommu.state == "disabled_in_kernel" and not _arguments_help(machine):
        yield refuse("iommu_disabled_in_kernel", f"IOMMU: {iommu.reason}")


def virtualization_refusals(machine: Machine) -> Iterator[Refusal]:
    """Yield a refusal if the processor can't run guests."""
    virtualization = machine.cpu.virtualization
    if virtualization.state in _CPU_STATES:
        yield refuse(_CPU_STATES[virtualization.state], f"Processor: {virtualization.reason}")


def _arguments_help(machine: Machine) -> bool:
    """Tell whether another command line may enable the IOMMU: one with our arguments, or without one that disables it.

    An argument that disables it contradicts ours, which is refused as cmdline_conflict.
    """
    names = ("iommu", "intel_iommu", "amd_iommu")
    if any(_running_has(machine, name, "off") for name in names):
        return True
    return machine.iommu.kind == "intel" and not _running_has(machine, "intel_iommu", "on")


def _running_has(machine: Machine, name: str, word: str) -> bool:
    arguments = parse(machine.boot.running.cmdline or "").arguments
    return any(argument.name == name and word in (argument.value or "").split(",") for argument in arguments)
