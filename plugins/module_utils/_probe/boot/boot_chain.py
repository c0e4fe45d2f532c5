# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the machine boots: firmware, boot loader, installed kernels."""

from __future__ import annotations

import re

from ..._machine import Boot, RunningKernel
from ..tree import Tree
from . import efivars, grub, systemd_boot, uki
from .entry import Entry
from .initramfs_generators import find_generator
from .kernels import installed_kernels
from .loader_detection import EFISTUB, GRUB, SYSTEMD_BOOT, UKI, find_loader

_CHOSEN = re.compile(r"\[([a-z]+)\]")


def read_boot(tree: Tree) -> Boot:
    """Return how the machine boots."""
    with tree.reading("boot.running"):
        running = RunningKernel(tree.text("/proc/sys/kernel/osrelease") or None, tree.text("/proc/cmdline"))
    with tree.reading("boot.firmware"):
        firmware = _firmware(tree, running.cmdline or "")
    with tree.reading("boot.secure_boot"):
        secure_boot = False if firmware == "bios" else efivars.secure_boot(tree)
    with tree.reading("boot.lockdown"):
        lockdown = _lockdown(tree)
    with tree.reading("boot.loader"):
        esps = systemd_boot.esp_folders(tree)
        verdict = find_loader(tree, firmware, esps, running.cmdline or "")
    with tree.reading("boot.kernels"):
        kernels = installed_kernels(tree, _entries(tree, verdict.loader, esps), esps)
    with tree.reading("boot.initramfs_generator"):
        generator = find_generator(tree)
    return Boot(
        firmware=firmware,
        secure_boot=secure_boot,
        lockdown=lockdown,
        loader=verdict.loader,
        reason=verdict.reason,
        kernels=kernels,
        running=running,
        initramfs_generator=generator,
    )


def _firmware(tree: Tree, cmdline: str) -> str | None:
    if tree.exists("/sys/firmware/efi"):
        return "uefi"
    # A container sees an empty folder; `noefi` hides the firmware from the kernel; only x86 boots without UEFI and
    # still has a BIOS, and only its /proc/cpuinfo has a vendor_id that is not a company's code number.
    if not tree.names("/sys/firmware") or "noefi" in cmdline.split():
        return None
    x86 = re.search(r"^flags\s*:", tree.text("/proc/cpuinfo", head=True) or "", re.MULTILINE)
    return "bios" if x86 else None


def _lockdown(tree: Tree) -> str | None:
    match = _CHOSEN.search(tree.text("/sys/kernel/security/lockdown") or "")
    return match.group(1) if match else None


def _entries(tree: Tree, loader: str | None, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the boot loader's entries. Of a loader that is not known, or not read yet, there are none to tell."""
    if loader == GRUB:
        return grub.read_entries(tree, esps)
    if loader == SYSTEMD_BOOT:
        return systemd_boot.read_entries(tree, esps)
    if loader in (UKI, EFISTUB):
        return uki.read_entries(tree, esps)
    return ()
