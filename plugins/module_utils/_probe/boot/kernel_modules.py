# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of a kernel, by depmod's lists; aliases of modules are not considered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..._machine.kernel_module import BUILT_IN, LOADABLE, MISSING, plain_module

if TYPE_CHECKING:
    from ..tree import Tree

_LIST_LIMIT = 8 << 20
# A line is `kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/...`, and in modules.builtin the path alone.
_LINE = re.compile(r"^(?:[^\n:]*/)?([^\n:/]+)\.ko(?:\.[a-z0-9]+)?(?::|$)", re.MULTILINE)


class KernelModules(NamedTuple):
    """The modules of one kernel, by their names with underscores."""

    loadable: frozenset[str]
    built_in: frozenset[str]

    def kind(self, name: str) -> str:
        """Return LOADABLE, BUILT_IN or MISSING for a module; `-` and `_` are equivalent in its name."""
        plain = plain_module(name)
        if plain in self.loadable:
            return LOADABLE
        return BUILT_IN if plain in self.built_in else MISSING


def kernel_modules(tree: Tree, version: str) -> KernelModules | None:
    """Return the modules of a kernel, or None if it has no modules.dep.

    Args:
        tree: The machine's files.
        version: As `uname -r` prints it.
    """
    for directory in ("/lib/modules/", "/usr/lib/modules/"):
        loadable = tree.text(directory + version + "/modules.dep", _LIST_LIMIT)
        if loadable is not None:
            built_in = tree.text(directory + version + "/modules.builtin", _LIST_LIMIT)
            return KernelModules(_names(loadable), _names(built_in or ""))
    return None


def _names(text: str) -> frozenset[str]:
    return frozenset(map(plain_module, _LINE.findall(text)))
