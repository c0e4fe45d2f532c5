# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds a machine's tree of files from its description."""

from __future__ import annotations

import os
from typing import Any

from .description import load
from .displays import write_displays, write_processes
from .files import Files
from .input import write_input
from .memory import write_memory
from .network import Network
from .pci import write_pci
from .processors import logical_cpus, write_processors
from .storage import Storage
from .system import write_system

#: The attributes with masks of CPUs, and the lists of the same CPUs.
_MASKS = {
    **{f"{scope}_cpus": f"{scope}_cpus_list" for scope in ("core", "die", "package")},
    **{f"{scope}_siblings": f"{scope}_siblings_list" for scope in ("core", "thread")},
    "cpumap": "cpulist",
    "local_cpus": "local_cpulist",
    "shared_cpu_map": "shared_cpu_list",
}


def build(name: str, root: str | os.PathLike[str]) -> str:
    """Write a described machine below a folder, and return the folder."""
    return build_described(load(name), root)


def build_described(machine: dict[str, Any], root: str | os.PathLike[str]) -> str:
    """Write the machine of a loaded description below a folder, and return the folder."""
    files = Files(root)
    cpus = logical_cpus(machine["cpus"])
    write_processors(files, cpus, machine)
    write_memory(files, cpus, machine["memory"])
    bus = write_pci(files, machine, cpus)
    write_processes(files, machine.get("processes", {}))
    Storage(files, bus).write(machine)
    Network(files, bus).write(machine)
    write_displays(files, bus, machine)
    write_input(files, bus, machine)
    write_system(files, bus, machine)
    for path, content in machine.get("files", {}).items():
        files.write(path, content)
    for path, target in machine.get("links", {}).items():
        files.raw_link(path, target)
    for path in machine.get("removed", []):
        files.remove(path)
    if machine.get("masks_only"):
        _remove_lists(files.root)
    for path in machine.get("unreadable", []):
        os.chmod(files.here(path), 0)
    return files.root


def _remove_lists(root: str) -> None:
    """Remove the lists of CPUs that have a mask beside them, as in captures by hwloc-gather-topology."""
    for folder, _folders, names in os.walk(root):
        for name in names:
            if name in _MASKS and _MASKS[name] in names:
                os.unlink(f"{folder}/{_MASKS[name]}")
