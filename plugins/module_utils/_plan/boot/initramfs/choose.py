# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every generator of initramfs images that we configure can be asked, and which one makes this machine's."""

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
    from typing import Protocol, Sequence

    from ...._machine.initramfs import Image, InitramfsRequest
    from ...._machine.plan import Refusal, Step
    from ...._probe.tree import Tree

    class InitramfsGenerator(Protocol):
        """A program that makes initramfs images, and its configuration. It reads; it never writes or runs."""

        @property
        def name(self) -> str:
            """As `host_info` names it."""

        def refusals(self) -> Sequence[Refusal]:
            """Return why nothing can be put into this machine's images safely; none where it can."""

        def config_steps(self, request: InitramfsRequest) -> Sequence[Step]:
            """Return what makes every image made from now on hold a request, and nothing else of ours."""

        def rebuild_steps(self, image: Image) -> Sequence[Step]:
            """Return what makes an image anew; each draft's check is `check_name` of its kernel."""

        def listing(self, path: str) -> tuple[str, ...]:
            """Return the command line that lists an image."""

        def names(self, output: str) -> frozenset[str]:
            """Return the names in what that command printed."""


_ON_NIXOS = (
    "Put it into the system's NixOS configuration: modules into boot.initrd.kernelModules, udev rules into "
    "boot.initrd.services.udev.rules; then run `nixos-rebuild boot`."
)


def generator(tree: Tree) -> InitramfsGenerator | Refusal:
    """Return the generator that a kernel's installation calls on this machine, or why there is none for us."""
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
    seen = "it is not clear which program makes this machine's initramfs" if name is None else f"{name} makes it"
    return refuse("initramfs_unsupported", seen)
