# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the machine boots: firmware, boot loader, installed kernels, initramfs generator."""

from __future__ import annotations

from typing import NamedTuple


class Kernel(NamedTuple):
    """An installed kernel, and the entry that boots it."""

    version: str  # as `uname -r` prints it
    entry: str | None  # the boot loader's identifier of the entry; None when no entry boots this kernel
    cmdline: str | None
    initramfs: str | None  # path on this machine
    has_vfio_pci: bool | None  # as a module or built in


class RunningKernel(NamedTuple):
    """The running kernel."""

    version: str | None
    cmdline: str | None


class Boot(NamedTuple):
    """The boot chain from firmware to initramfs."""

    firmware: str | None  # "uefi", "bios"
    secure_boot: bool | None
    lockdown: str | None  # "none", "integrity", "confidentiality"
    loader: str | None  # a supported loader's name; an unsupported one's name as it reports itself
    reason: str  # the evidence that identified the boot loader, or what prevents its use
    kernels: tuple[Kernel, ...]
    running: RunningKernel
    initramfs_generator: str | None  # "initramfs-tools", "dracut", "mkinitcpio", "booster"
