# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that rebuild an image: the generator writes a draft, which is checked and then replaces the image."""

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


def replacement_steps(tree: Tree, image: Image, argv: tuple[str, ...], usual: str, calls_hooks: bool) -> list[Step]:
    """Return the steps that rebuild a kernel's image.

    Args:
        tree: The host.
        image: The image that the kernel boots with.
        argv: The command that builds the draft.
        usual: The path at which the generator's own tools put the image of this kernel.
        calls_hooks: Whether those tools call the hooks of boot loaders afterwards.
    """
    check = check_name(image.version)
    reason = f"rebuild the initramfs of kernel {image.version}, which differs from the request"
    if not tree.exists(usual) or _is_same_file(tree, usual, image.path):
        steps: list[Step] = [GenerateFile(image.path, argv, check, STAGED, reason)]
        if calls_hooks and tree.names(_HOOKS):
            hooks = ("run-parts", f"--arg={image.version}", f"--arg={image.path}", _HOOKS)
            steps.append(RunTool(hooks, STAGED, "let boot loaders copy the new image"))
        return steps
    # The host boots with a copy, as kernel-install makes it. kernel-install's hook would overwrite that copy in place,
    # and a power cut would leave half of it.
    copy = ("cp", "--", usual, DRAFT)
    return [
        GenerateFile(usual, argv, check, STAGED, reason),
        GenerateFile(
            image.path, copy, check, STAGED, f"update the copy of {usual} that kernel {image.version} boots with"
        ),
    ]


def _is_same_file(tree: Tree, path: str, other_path: str) -> bool:
    status, other = tree.status(path), tree.status(other_path)
    if status is None or other is None:
        return False
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)
