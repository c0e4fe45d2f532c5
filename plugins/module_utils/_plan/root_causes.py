# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals with the same root cause: one of them names the cause and its remedy, the others refer to it.

Each refusal keeps its code and what was found for it. Codes are overridden one by one; a refusal whose cause was
overridden is reported in full. Only the texts for people combine refusals (refusal_text.py).
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from .._machine import Machine
from .._machine.plan import Refusal
from .refusals import refuse


class _Cause(NamedTuple):
    """A cause of several refusals."""

    codes: tuple[str, ...]  # the first one names the cause
    seen: str
    danger: str
    remedy: str


def with_root_causes(machine: Machine, refusals: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """Return the refusals, those that name a common cause first, each followed by the refusals that refer to it.

    Args:
        machine: The machine.
        refusals: Every refusal, without those that are overridden.
    """
    by_code = {refusal.code: refusal for refusal in reversed(refusals)}
    explained: list[Refusal] = []
    for cause in _causes(machine):
        if all(code in by_code for code in cause.codes):
            root, *others = cause.codes
            explained.append(refuse(root, cause.seen, cause.danger, cause.remedy))
            explained += [by_code[code]._replace(because=root) for code in others]
    done = {refusal.code for refusal in explained}
    return (*explained, *(refusal for refusal in refusals if refusal.code not in done))


def _causes(machine: Machine) -> Iterator[_Cause]:
    """Yield the causes that this machine may have; each code is in one of them at most."""
    nothing = "Without an IOMMU, no device can be passed through; without virtualization, no virtual machine can run."
    hypervisor = machine.cpu.hypervisor
    if hypervisor is not None:
        remedy = "Configure the host of this guest; or have it provide a virtual IOMMU and nested virtualization."
        if hypervisor == "xen":
            remedy = "In Xen's control domain, boot the kernel without Xen. In a guest, configure its host instead."
        yield _Cause(
            ("iommu_unknown" if machine.iommu.state == "unknown" else "iommu_absent", "cpu_virtualization_unsupported"),
            f"This machine runs on a hypervisor ({hypervisor}) that provides neither an IOMMU nor virtualization to it",
            nothing,
            remedy,
        )
    yield _Cause(
        ("cpu_virtualization_disabled_by_firmware", "iommu_disabled_by_firmware"),
        f"Virtualization and the IOMMU are disabled in firmware. {machine.cpu.virtualization.reason}. "
        f"{machine.iommu.reason}",
        nothing,
        "In the firmware setup, enable virtualization (VT-x, SVM Mode) and the IOMMU (VT-d, AMD-Vi). Run this again.",
    )
