# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processors' support for virtual machines."""

from __future__ import annotations

from typing import NamedTuple


class InterruptVirtualization(NamedTuple):
    """APICv (Intel) or AVIC (AMD): the processor delivers a guest's interrupts without a VM exit.

    Whether the processor supports it and whether it is enabled are separate facts: a KVM module parameter decides the
    latter.
    """

    name: str | None  # "apicv" or "avic"
    supported: bool | None
    enabled: bool | None


class PostedInterrupts(NamedTuple):
    """The IOMMU delivers interrupts of a passed-through device directly to the running guest."""

    supported: bool | None
    enabled: bool | None


class Virtualization(NamedTuple):
    """The processor's virtualization extension, and whether the running kernel can use it."""

    extension: str | None  # "vmx", "svm" or None
    state: str  # "ready", "module_not_loaded", "disabled_by_firmware", "unsupported", "unknown"
    reason: str  # the evidence for the state, and what to do about it
    slat: str | None  # second level address translation, enabled or available: "EPT" or "NPT"
    interrupt_virtualization: InterruptVirtualization
    posted_interrupts: PostedInterrupts
    nested: bool | None


class Cpu(NamedTuple):
    """The processor model of this machine and its support for virtual machines."""

    vendor: str | None  # "intel", "amd", "arm", "other"
    model: str | None
    hypervisor: str | None  # when this machine is itself a guest: "kvm", "xen", ..., "unknown"
    virtualization: Virtualization
