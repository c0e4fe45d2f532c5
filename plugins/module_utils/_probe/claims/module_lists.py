# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims in lists of modules to load at boot: modules-load.d(5), /etc/modules, and /etc/conf.d/modules of OpenRC.

systemd-modules-load takes a line with options for the name of a module, which it does not find; other init systems pass
the options on. So a line with ids is recognised, and not taken for a binding.
"""

from __future__ import annotations

from typing import Iterator

from ..._machine.claims import EACH_BOOT, RECOGNISED, TAKES, Claim
from ..._machine.cmdline import Argument, parse
from ..tree import Tree
from .arguments import loading, meaning_of
from .files import content, in_folders, lines
from .functions import Functions
from .managed import is_managed
from .meaning import Meaning
from .shell import assignments

_MODULES = "/etc/modules"
_OPENRC = "/etc/conf.d/modules"


def read_module_lists(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of all lists."""
    paths = list(in_folders(tree, "modules-load.d", ".conf"))
    # Debian has a link to it in modules-load.d.
    if tree.resolve(_MODULES) not in [tree.resolve(path) for path in paths]:
        paths.append(_MODULES)
    for path in paths:
        text = content(tree, path) or ""
        managed = is_managed(text)
        for line in lines(text, continued=False):
            meaning = None if line.text.startswith(";") else loaded(line.text, functions)
            if meaning is not None:
                meaning = meaning._replace(effect=RECOGNISED) if meaning.effect == TAKES else meaning
                yield meaning.claim("modules_load", path, line.number, line.text, (EACH_BOOT,), managed=managed)
    yield from _of_openrc(tree, functions)


def loaded(line: str, functions: Functions) -> Meaning | None:
    """Return the effect of a line with a module and its options, `vfio-pci ids=10de:2684`, or None."""
    module, _space, options = line.replace("\t", " ").partition(" ")
    for option in parse(options).arguments:
        meaning = meaning_of(Argument("", f"{module}.{option.text}"), functions)
        if meaning is not None and meaning.effect == TAKES:
            return meaning
    return loading([module])


def _of_openrc(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of `modules="..."` and `module_NAME_args="..."`, with and without a kernel's version."""
    for line, name, words in assignments(content(tree, _OPENRC) or ""):
        meaning = None
        if name.startswith("module_") and "_args" in name:
            module = name[len("module_") :].partition("_args")[0]
            meaning = loaded(f"{module} {' '.join(words)}", functions)
        elif name.startswith("modules"):
            meaning = loading(words)
        if meaning is not None:
            yield meaning.claim("modules_load", _OPENRC, line, f'{name}="{" ".join(words)}"', (EACH_BOOT,))
