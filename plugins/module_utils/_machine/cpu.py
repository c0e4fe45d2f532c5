# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the processors can do for virtual machines."""

from __future__ import annotations

from typing import NamedTuple


class InterruptVirtualization(NamedTuple):
    """APICv (Intel) or AVIC (AMD): the processor delivers a guest's interrupts without leaving the guest.

    Being able and being in effect are two things: KVM's module parameter decides the second.
    """

    name: str | None  # "apicv" or "avic"
    supported: bool | None
    enabled: bool | None


class PostedInterrupts(NamedTuple):
    """The IOMMU posts a passed-through device's interrupts straight into the running guest."""

    supported: bool | None
    enabled: bool | None


class Virtualization(NamedTuple):
    """The processor's virtualization extension, as this kernel can use it now."""

    extension: str | None  # "vmx", "svm" or None
    state: str  # "ready", "module_not_loaded", "disabled_by_firmware", "unsupported", "unknown"
    reason: str  # what was seen, and what a person can do about it
    slat: str | None  # second level address translation in effect or on offer: "EPT" or "NPT"
    interrupt_virtualization: InterruptVirtualization
    posted_interrupts: PostedInterrupts
    nested: bool | None


class Cpu(NamedTuple):
    """The kind of processor in this machine."""

    vendor: str | None  # "intel", "amd", "arm", "other"
    model: str | None
    hypervisor: str | None  # who runs us, when this machine is a guest itself: "kvm", "xen", ..., "unknown"
    virtualization: Virtualization
