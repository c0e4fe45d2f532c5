# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""initramfs images by their names, and the program that makes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree


class Generator(NamedTuple):
    """A program that makes initramfs images, and the hooks by which an installed kernel calls it."""

    name: str
    tools: tuple[str, ...]
    hooks: tuple[str, ...]


_ALPM, _ALPM_MASKS = "/usr/share/libalpm/hooks/", "/etc/pacman.d/hooks/"
_INSTALL, _INSTALL_MASKS = "/usr/lib/kernel/install.d/", "/etc/kernel/install.d/"

GENERATORS = (
    # mkinitramfs, not update-initramfs: dracut of Debian 13 brings one of that name.
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

_CHOICE = re.compile(r"^\s*initrd_generator\s*=\s*(\S+)\s*$", re.MULTILINE)  # kernel-install(8), install.conf
_MICROCODE = re.compile(r"u-?code|microcode", re.IGNORECASE)


def find_generator(tree: Tree) -> str | None:
    """Return which program an installed kernel calls to make its initramfs, or None where that is not sure."""
    there = [generator for generator in GENERATORS if any(tree.exists(tool) for tool in generator.tools)]
    called = [generator for generator in there if any(_active(tree, hook) for hook in generator.hooks)]
    if len(called) == 1:
        return called[0].name
    for folder in ("/etc/kernel", "/usr/lib/kernel"):
        choice = _CHOICE.search(tree.text(folder + "/install.conf") or "")
        if choice is not None and choice.group(1) in [generator.name for generator in called or there]:
            return choice.group(1)
    return there[0].name if len(there) == 1 and not called else None


def _active(tree: Tree, hook: str) -> bool:
    """Tell whether a hook is there and not masked by a file of its name, which a link to /dev/null is."""
    for folder, masks in ((_ALPM, _ALPM_MASKS), (_INSTALL, _INSTALL_MASKS)):
        if hook.startswith(folder) and tree.link(masks + hook[len(folder) :]) == "null":
            return False
    return tree.exists(hook)


def usual_images(version: str, package: str | None) -> Iterator[str]:
    """Yield where a kernel's initramfs lies by convention.

    Args:
        version: As `uname -r` says.
        package: The kernel's name where files are named by it, such as `linux-lts` of Arch.
    """
    for pattern in ("initrd.img-%s", "initramfs-%s.img", "initrd-%s", "initrd-%s.img", "initramfs-%s"):
        yield "/boot/" + pattern % version
    if package:
        yield f"/boot/initramfs-{package}.img"
        yield f"/boot/booster-{package}.img"


def without_microcode(initrds: tuple[str, ...]) -> str | None:
    """Return the initramfs among the images of an entry: the last that is not processor microcode."""
    images = [path for path in initrds if path and not _MICROCODE.search(path.rpartition("/")[2])]
    return images[-1] if images else None
