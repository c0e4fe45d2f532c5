# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making an image anew: first a draft, which is looked into, then by rename in the old one's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...._machine.plan import DRAFT, STAGED, GenerateFile, RunTool

if TYPE_CHECKING:
    from ...._machine.initramfs import Image
    from ...._machine.plan import Step
    from ...._probe.tree import Tree

_HOOKS = "/etc/initramfs/post-update.d"


def check_name(version: str) -> str:
    """Return the name of the check that the draft of a kernel's image must pass."""
    return "initramfs " + version


def rebuilding(tree: Tree, image: Image, argv: tuple[str, ...], usual: str, hooks: bool) -> list[Step]:
    """Return the steps by which a kernel's image is made anew.

    Args:
        tree: The machine.
        image: The one that the kernel boots with.
        argv: Makes the draft.
        usual: Where the generator's own tools put the image of this kernel.
        hooks: Whether those tools call the hooks of boot loaders afterwards.
    """
    check = check_name(image.version)
    reason = f"the initramfs of kernel {image.version} does not hold what it is to hold"
    copied = tree.exists(usual) and not _same(tree, usual, image.path)
    if not copied:
        steps: list[Step] = [GenerateFile(image.path, argv, check, STAGED, reason)]
        if hooks and tree.names(_HOOKS):
            argv = ("run-parts", f"--arg={image.version}", f"--arg={image.path}", _HOOKS)
            steps.append(RunTool(argv, STAGED, "boot loaders take the image over from there"))
        return steps
    # What the machine boots with is a copy, as kernel-install makes it; its hook would copy over the old one, and a
    # power cut would leave half of it.
    copy = ("cp", "--", usual, DRAFT)
    return [
        GenerateFile(usual, argv, check, STAGED, reason),
        GenerateFile(image.path, copy, check, STAGED, f"kernel {image.version} boots with a copy of {usual}"),
    ]


def _same(tree: Tree, one: str, other: str) -> bool:
    first, second = tree.status(one), tree.status(other)
    if first is None or second is None:
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
