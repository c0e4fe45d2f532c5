# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice of the boot loader's class. Boot loaders and tools that none of them supports are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._machine.boot_config import NORMAL
from ...._machine.plan import Refusal
from ...._probe.boot import grub, managers
from ...._probe.boot.loader_detection import GRUB, SYSTEMD_BOOT, UKI
from ...refusals import refuse
from .grub import Grub
from .grub_bls import GrubBls
from .systemd_boot import SystemdBoot
from .uki import Uki, boots_installed_kernel

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import BootLoader, LoaderContext


_REMEDIES = {
    managers.KERNELSTUB: "Add the arguments with `kernelstub --add-options '...'`.",
    managers.PROXMOX: "Add the arguments to /etc/kernel/cmdline and run `proxmox-boot-tool refresh`.",
    managers.OSTREE: "Add the arguments with `rpm-ostree kargs --append=...`.",
    managers.SDBOOTUTIL: "Add the arguments to /etc/kernel/cmdline and run `sdbootutil update-all-entries`.",
    managers.NIXOS: "Add the arguments to boot.kernelParams in the system's NixOS configuration, for example "
    '`boot.kernelParams = [ "intel_iommu=on" ];`, and run `nixos-rebuild boot`. NixOS writes every file of the boot '
    "chain from that configuration.",
}


def choose_loader(tree: Tree, loader: str | None, context: LoaderContext) -> BootLoader | Refusal:
    """Return the host's boot loader, or a refusal if it is unknown or unsupported.

    Args:
        tree: The host.
        loader: The name that the probe has for it; None if unknown.
        context: What else is known of the host.
    """
    manager = managers.find_manager(tree, context.esps)
    if manager is not None:
        seen = f"{manager.name} writes this host's boot entries: {manager.evidence}."
        return refuse("bootloader_unsupported", seen, remedy=_REMEDIES[manager.name])
    if loader == GRUB:
        _file, menu = grub.read_config(tree, context.esps)
        return GrubBls(tree, context) if menu is not None and menu.blscfg else Grub(tree, context)
    if loader == SYSTEMD_BOOT:
        systemd_boot = SystemdBoot(tree, context)
        # systemd-boot also starts unified kernel images.
        has_entries = any(entry.role == NORMAL for entry in systemd_boot.entries)
        return systemd_boot if has_entries or not boots_installed_kernel(tree, context) else Uki(tree, context)
    if loader == UKI:
        return Uki(tree, context)
    if loader is None:
        return refuse("bootloader_unsupported", "The boot loader of this host is unknown.")
    return refuse("bootloader_unsupported", f"{loader} boots this host, and is not supported.")
