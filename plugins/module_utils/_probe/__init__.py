# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: reads the files of a machine and returns it as a value. Never writes, and accepts any content."""

from __future__ import annotations

from .._machine import Machine, Reading
from .boot.boot_chain import read_boot_and_entries
from .claims import read_claims
from .cpu import read_cpu
from .evidence import Evidence
from .in_use import read_uses
from .iommu import read_groups, read_interrupt_remapping, read_iommu, with_functions
from .keyboards import read_keyboards
from .memory import read_memory
from .os_release import read_os
from .pci import read_functions
from .topology import read_cpus
from .tree import Tree

__all__ = ["probe", "read_machine"]


def probe(root: str = "/") -> Reading:
    """Read a machine.

    Args:
        root: Folder with the machine's /sys, /proc, /etc and /boot; `/` is the running machine.

    Returns:
        The machine, and the files that could not be read for lack of permission. No content raises an exception.
    """
    return read_machine(Tree(root))


def read_machine(tree: Tree) -> Reading:
    """Read a machine through a tree, which keeps the files that could not be read."""
    evidence = Evidence(tree)
    groups = read_groups(tree)
    members = {number: group.members for number, group in groups.items()}
    group_of = {member: number for number, group in groups.items() for member in group.members}
    keyboards = read_keyboards(tree)
    functions = read_functions(tree, group_of, read_uses(tree, members, keyboards))
    remapping = read_interrupt_remapping(evidence)
    cpus = read_cpus(tree)
    boot, entries = read_boot_and_entries(tree)
    claims = read_claims(tree, functions, boot, entries)
    host = Machine(
        cpu=read_cpu(evidence, remapping),
        iommu=read_iommu(evidence, with_functions(groups, functions), remapping),
        pci=claims.on(functions),
        cpus=cpus,
        memory=read_memory(tree, cpus.online),
        boot=boot,
        os=read_os(tree),
        claims=claims.others,
        keyboards=tuple(keyboard for keyboard, _path in keyboards),
    )
    return Reading(host, tree.unreadable)
