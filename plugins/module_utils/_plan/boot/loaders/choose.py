# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which boot loader's class can change how this machine boots; what none can is refused by its name."""

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
from .uki import Uki, is_in_use

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import BootLoader, LoaderContext


#: What to do on a machine whose boot entries another program writes, by its name.
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
    """Return the machine's boot loader as something that can be changed, or why there is none.

    Args:
        tree: The machine.
        loader: As the probe names it.
        context: What else is known.
    """
    manager = managers.find_manager(tree, context.esps)
    if manager is not None:
        seen = f"{manager.name} writes this machine's boot entries: {manager.evidence}."
        return refuse("bootloader_unsupported", seen, remedy=_REMEDIES[manager.name])
    if loader == GRUB:
        _file, menu = grub.read_config(tree, context.esps)
        return GrubBls(tree, context) if menu is not None and menu.blscfg else Grub(tree, context)
    if loader == SYSTEMD_BOOT:
        found = SystemdBoot(tree, context)
        # It offers images beside its entries.
        has_entries = any(entry.role == NORMAL for entry in found.entries)
        return found if has_entries or not is_in_use(tree, context) else Uki(tree, context)
    if loader == UKI:
        return Uki(tree, context)
    if loader is None:
        return refuse("bootloader_unsupported", "What boots this machine can't be told.")
    return refuse("bootloader_unsupported", f"{loader} boots this machine, and is not among those that can be changed.")
