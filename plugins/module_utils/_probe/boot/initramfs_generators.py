# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that generates initramfs images, and the names of the images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree


class Generator(NamedTuple):
    """A program that generates initramfs images, and the hooks that run it when a kernel is installed."""

    name: str
    tools: tuple[str, ...]
    hooks: tuple[str, ...]


_ALPM, _ALPM_MASKS = "/usr/share/libalpm/hooks/", "/etc/pacman.d/hooks/"
_INSTALL, _INSTALL_MASKS = "/usr/lib/kernel/install.d/", "/etc/kernel/install.d/"

GENERATORS = (
    # mkinitramfs, not update-initramfs: Debian 13's dracut has a program of that name, too.
    Generator("initramfs-tools", ("/usr/sbin/mkinitramfs",), ("/etc/kernel/postinst.d/initramfs-tools",)),
    Generator(
        "dracut",
        ("/usr/bin/dracut", "/usr/sbin/dracut"),
        ("/etc/kernel/postinst.d/dracut", _INSTALL + "50-dracut.install", _ALPM + "90-dracut-install.hook"),
    ),
    Generator(
        "mkinitcpio",
        ("/usr/bin/mkinitcpio",),
        (_ALPM + "90-mkinitcpio-install.hook", _INSTALL + "50-mkinitcpio.install"),
    ),
    Generator("booster", ("/usr/bin/booster",), (_ALPM + "90-booster-install.hook",)),
)

_CONFIGURED = re.compile(r"^\s*initrd_generator\s*=\s*(\S+)\s*$", re.MULTILINE)  # kernel-install(8), install.conf
_MICROCODE = re.compile(r"u-?code|microcode", re.IGNORECASE)


def detect_generator(tree: Tree) -> str | None:
    """Return the program that generates the initramfs of a newly installed kernel, or None if that is uncertain."""
    installed = [generator for generator in GENERATORS if any(tree.exists(tool) for tool in generator.tools)]
    hooked = [generator for generator in installed if any(_is_active(tree, hook) for hook in generator.hooks)]
    if len(hooked) == 1:
        return hooked[0].name
    for directory in ("/etc/kernel", "/usr/lib/kernel"):
        match = _CONFIGURED.search(tree.text(directory + "/install.conf") or "")
        if match is not None and match.group(1) in [generator.name for generator in hooked or installed]:
            return match.group(1)
    return installed[0].name if len(installed) == 1 and not hooked else None


def _is_active(tree: Tree, hook: str) -> bool:
    """Return whether a hook exists, and is not masked by a symbolic link of its name to /dev/null."""
    for directory, masks in ((_ALPM, _ALPM_MASKS), (_INSTALL, _INSTALL_MASKS)):
        if hook.startswith(directory) and tree.link(masks + hook[len(directory) :]) == "null":
            return False
    return tree.exists(hook)


def conventional_images(version: str, package: str | None) -> Iterator[str]:
    """Yield the paths where distributions put the initramfs of a kernel.

    Args:
        version: As `uname -r` prints it.
        package: The kernel's package where files are named after it, such as Arch's `linux-lts`.
    """
    for pattern in ("initrd.img-%s", "initramfs-%s.img", "initrd-%s", "initrd-%s.img", "initramfs-%s"):
        yield "/boot/" + pattern % version
    if package:
        yield f"/boot/initramfs-{package}.img"
        yield f"/boot/booster-{package}.img"


def main_initramfs(initrds: tuple[str, ...]) -> str | None:
    """Return the initramfs among the images of an entry: the last one that is not processor microcode."""
    images = [path for path in initrds if path and not _MICROCODE.search(path.rpartition("/")[2])]
    return images[-1] if images else None
