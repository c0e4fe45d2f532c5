# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot chain of a machine: firmware, boot loader, installed kernels."""

from __future__ import annotations

import re

from ..._machine import Boot, RunningKernel
from ..tree import Tree
from . import efivars, grub, systemd_boot, uki
from .entry import Entry
from .initramfs_generators import detect_generator
from .kernels import installed_kernels
from .loader_detection import EFISTUB, GRUB, SYSTEMD_BOOT, UKI, detect_loader

_SELECTED = re.compile(r"\[(none|integrity|confidentiality)\]")


def read_boot(tree: Tree) -> Boot:
    """Return the boot chain of a machine."""
    return read_boot_and_entries(tree)[0]


def read_boot_and_entries(tree: Tree) -> tuple[Boot, tuple[Entry, ...]]:
    """Return the boot chain of a machine, and all entries of its boot loader, several of which may boot one kernel."""
    with tree.reading("boot.running"):
        running = RunningKernel(tree.text("/proc/sys/kernel/osrelease") or None, tree.text("/proc/cmdline"))
    with tree.reading("boot.firmware"):
        firmware = _firmware(tree, running.cmdline or "")
    with tree.reading("boot.secure_boot"):
        secure_boot = False if firmware == "bios" else efivars.secure_boot(tree)
    with tree.reading("boot.lockdown"):
        lockdown = _lockdown(tree)
    with tree.reading("boot.loader"):
        esps = systemd_boot.esp_mount_points(tree)
        detection = detect_loader(tree, firmware, esps, running.cmdline or "")
    with tree.reading("boot.kernels"):
        entries = _entries(tree, detection.loader, esps)
        kernels = installed_kernels(tree, entries, esps)
    with tree.reading("boot.initramfs_generator"):
        generator = detect_generator(tree)
    boot = Boot(
        firmware=firmware,
        secure_boot=secure_boot,
        lockdown=lockdown,
        loader=detection.loader,
        reason=detection.reason,
        kernels=kernels,
        running=running,
        initramfs_generator=generator,
    )
    return boot, entries


def _firmware(tree: Tree, cmdline: str) -> str | None:
    if tree.exists("/sys/firmware/efi"):
        return "uefi"
    # In a container /sys/firmware is empty, and `noefi` hides UEFI from the kernel. Of the machines without UEFI only
    # those with an x86 CPU have a BIOS; its /proc/cpuinfo has a line `flags`, that of arm64 `Features`.
    if not tree.names("/sys/firmware") or "noefi" in cmdline.split():
        return None
    x86 = re.search(r"^flags\s*:", tree.text("/proc/cpuinfo", head=True) or "", re.MULTILINE)
    return "bios" if x86 else None


def _lockdown(tree: Tree) -> str | None:
    match = _SELECTED.search(tree.text("/sys/kernel/security/lockdown") or "")
    return match.group(1) if match else None


def _entries(tree: Tree, loader: str | None, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the boot loader's entries; none where the loader is unknown, or has no reader here."""
    if loader == GRUB:
        return grub.read_entries(tree, esps)
    if loader == SYSTEMD_BOOT:
        return systemd_boot.read_entries(tree, esps)
    if loader in (UKI, EFISTUB):
        return uki.read_entries(tree, esps)
    return ()
