# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How this machine boots, and what it would boot."""

from __future__ import annotations

from typing import NamedTuple


class Kernel(NamedTuple):
    """An installed kernel, and the entry that boots it."""

    version: str  # as `uname -r` would say
    entry: str | None  # the boot loader's identifier of the entry; None when no entry boots it
    cmdline: str | None
    initramfs: str | None  # path on this machine
    has_vfio_pci: bool | None  # as a module or built in


class RunningKernel(NamedTuple):
    """The kernel that runs now."""

    version: str | None
    cmdline: str | None


class Boot(NamedTuple):
    """The boot chain from firmware to initramfs."""

    firmware: str | None  # "uefi", "bios"
    secure_boot: bool | None
    lockdown: str | None  # "none", "integrity", "confidentiality"
    loader: str | None  # a name of _boot.loaders; what is not recognised is named as it names itself
    reason: str  # which witness told the boot loader, or what stands in the way
    kernels: tuple[Kernel, ...]
    running: RunningKernel
    initramfs_generator: str | None  # "initramfs-tools", "dracut", "mkinitcpio", "booster"
