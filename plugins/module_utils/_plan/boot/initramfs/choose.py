# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice of the initramfs generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._probe.boot.initramfs_generators import detect_generator
from ...._probe.boot.managers import NIXOS, find_manager
from ...._probe.boot.systemd_boot import esp_mount_points
from ...refusals import refuse
from .dracut import Dracut
from .initramfs_tools import InitramfsTools
from .mkinitcpio import Mkinitcpio

if TYPE_CHECKING:
    from ...._machine.plan import Refusal
    from ...._probe.tree import Tree
    from .protocol import InitramfsGenerator


_ON_NIXOS = (
    "Put it into the system's NixOS configuration: modules into boot.initrd.kernelModules, udev rules into "
    "boot.initrd.services.udev.rules; then run `nixos-rebuild boot`."
)


def choose_generator(tree: Tree) -> InitramfsGenerator | Refusal:
    """Return the generator that is called when a kernel is installed, or a refusal if it is unknown or unsupported."""
    manager = find_manager(tree, esp_mount_points(tree))
    if manager is not None and manager.name == NIXOS:
        return refuse("initramfs_unsupported", f"NixOS builds the initramfs: {manager.evidence}", remedy=_ON_NIXOS)
    name = detect_generator(tree)
    if name == "initramfs-tools":
        return InitramfsTools(tree)
    if name == "dracut":
        return Dracut(tree)
    if name == "mkinitcpio":
        return Mkinitcpio(tree)
    seen = "it is unclear which program builds this host's initramfs" if name is None else f"{name} builds it"
    return refuse("initramfs_unsupported", seen)
