# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of initramfs-tools(7): its list of modules, its hooks, and its boot scripts."""

from __future__ import annotations

from typing import Iterator

from ..._machine.claims import NEW_IMAGES, Claim
from ..tree import Tree
from .files import SCRIPT_LIMIT, content, in_folder, lines
from .functions import Functions
from .managed import is_managed
from .module_lists import loaded
from .shell import read_script

_TOPS = ("/etc/initramfs-tools", "/usr/share/initramfs-tools")
_SCRIPTS = (
    *("init-top", "init-premount", "local-top", "local-premount", "local-block", "local-bottom", "init-bottom"),
    *("nfs-top", "nfs-premount", "nfs-bottom", "panic"),
)


def read_initramfs_tools(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of everything that mkinitramfs puts into images."""
    for path in (f"{_TOPS[0]}/modules", *in_folder(tree, f"{_TOPS[1]}/modules.d")):
        for line in lines(content(tree, path) or "", continued=False):
            meaning = loaded(line.text, functions)
            if meaning is not None:
                yield meaning.claim("initramfs_modules", path, line.number, line.text, (NEW_IMAGES,))
    for top in _TOPS:
        for folder in ("hooks", *(f"scripts/{name}" for name in _SCRIPTS)):
            for path in in_folder(tree, f"{top}/{folder}"):
                text = content(tree, path, SCRIPT_LIMIT) or ""
                for effect in read_script(text, functions):
                    yield effect.claim("initramfs_script", path, (NEW_IMAGES,), is_managed(text))
