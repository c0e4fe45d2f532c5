# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of dracut: dracut.conf(5) and its drop-ins, and custom modules, dracut.modules(7)."""

from __future__ import annotations

from typing import Iterator

from ..._machine.claims import NEW_IMAGES, Claim
from ..._machine.cmdline import parse
from ..boot import grub_defaults
from ..tree import Tree
from .arguments import loading, meaning_of
from .files import MAX_FILES, SCRIPT_LIMIT, content, in_folder, in_folders
from .functions import Functions
from .managed import is_managed
from .shell import read_script

_CONFIG = "/etc/dracut.conf"
_MODULES = "/usr/lib/dracut/modules.d"
_SETUP = "module-setup.sh"
_LISTS = ("force_drivers", "add_drivers", "drivers")


def read_dracut(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of everything that dracut puts into images."""
    for path in (_CONFIG, *in_folders(tree, "dracut.conf.d", ".conf", ("/etc", "/usr/lib/dracut"))):
        text = content(tree, path) or ""
        managed = is_managed(text)
        for assignment in grub_defaults.assignments(text):
            if assignment.name in _LISTS:
                shown = f"{assignment.name}={assignment.raw}"
                meaning = loading(assignment.text.split())
                if meaning is not None:
                    yield meaning.claim(
                        "initramfs_modules", path, assignment.line, shown, (NEW_IMAGES,), managed=managed
                    )
            elif assignment.name == "kernel_cmdline":
                yield from _command_line(path, assignment, functions)
    yield from _modules(tree, functions)


def _command_line(path: str, assignment: grub_defaults.Assignment, functions: Functions) -> Iterator[Claim]:
    for argument in parse(assignment.text).arguments:
        meaning = meaning_of(argument, functions)
        if meaning is not None:
            yield meaning.claim("cmdline", path, assignment.line, argument.text, (NEW_IMAGES,), origin=assignment.name)


def _modules(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of the scripts of custom modules, those whose setup script mentions a driver for guests."""
    for name, module in tree.folders(_MODULES, tree.names(_MODULES)[:MAX_FILES]):
        setup = module.text(_SETUP) or ""
        managed = is_managed(setup)
        if "vfio" not in name and not read_script(setup, functions):
            continue
        for path in in_folder(tree, f"{_MODULES}/{name}", ".sh"):
            for effect in read_script(content(tree, path, SCRIPT_LIMIT) or "", functions):
                yield effect.claim("initramfs_script", path, (NEW_IMAGES,), managed)
