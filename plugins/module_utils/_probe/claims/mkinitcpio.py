# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of mkinitcpio(8): MODULES in its configuration, and custom hooks."""

from __future__ import annotations

from typing import Iterator

from ..._machine.claims import NEW_IMAGES, Claim
from ..tree import Tree
from .arguments import loading
from .files import SCRIPT_LIMIT, content, in_folder
from .functions import Functions
from .managed import is_managed
from .shell import assignments, read_script

_CONFIG = "/etc/mkinitcpio.conf"
_DROP_INS = "/etc/mkinitcpio.conf.d"
_PRESETS = "/etc/mkinitcpio.d"
_HOOKS = ("/etc/initcpio/hooks", "/etc/initcpio/install", "/usr/lib/initcpio/hooks", "/usr/lib/initcpio/install")


def read_mkinitcpio(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of everything that mkinitcpio puts into images."""
    hooks: set[str] = set()
    for path in _configurations(tree):
        text = content(tree, path) or ""
        for line, name, words in assignments(text):
            hooks.update(words if name == "HOOKS" else ())
            meaning = loading(words) if name == "MODULES" else None
            if meaning is not None:
                shown = f"{name}=({' '.join(words)})"
                yield meaning.claim("initramfs_modules", path, line, shown, (NEW_IMAGES,), managed=is_managed(text))
    for folder in _HOOKS:
        for path in in_folder(tree, folder):
            text = content(tree, path, SCRIPT_LIMIT) or ""
            applies_to = (NEW_IMAGES,) if path.rpartition("/")[2] in hooks else ()
            for effect in read_script(text, functions):
                yield effect.claim("initramfs_script", path, applies_to, is_managed(text))


def _configurations(tree: Tree) -> Iterator[str]:
    """Yield the configuration, its drop-ins, and the configurations that presets name instead."""
    yield _CONFIG
    yield from in_folder(tree, _DROP_INS, ".conf")
    named: dict[str, None] = {}
    for preset in in_folder(tree, _PRESETS, ".preset"):
        for _line, name, words in assignments(content(tree, preset) or ""):
            if name.endswith("_config") and words and words[0].startswith("/") and words[0] != _CONFIG:
                named[words[0]] = None
    yield from named
