# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters of KVM's modules."""

from __future__ import annotations

import re

from .tree import Tree

#: Modules whose parameters are read. sysfs has those of built-in modules too (Documentation/ABI/stable/sysfs-module).
_MODULES = ("kvm", "kvm_intel", "kvm_amd")
_NAME = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


def read_kvm_parameters(tree: Tree) -> dict[str, str]:
    """Return the parameters by module and name, `kvm_intel.nested`, as the kernel prints them; empty without KVM."""
    values = {}
    for module in _MODULES:
        folder = f"/sys/module/{module}/parameters"
        for name in tree.names(folder):
            text = tree.text(f"{folder}/{name}") if _NAME.fullmatch(name) else None
            if text is not None:
                values[f"{module}.{name}"] = text
    return values
