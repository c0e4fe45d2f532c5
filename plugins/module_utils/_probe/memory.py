# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory and huge pages.

Source: Documentation/admin-guide/mm/hugetlbpage.rst and Documentation/ABI/stable/sysfs-devices-node.
"""

from __future__ import annotations

import re

from .._machine import HugePages, Memory, MemoryNode
from .parse import integer, key_values
from .topology import node_cpus
from .tree import Tree

_NODES = "/sys/devices/system/node"
_NODE_FOLDER = re.compile(r"node([0-9]{1,5})")
_SIZE_FOLDER = re.compile(r"hugepages-([0-9]{1,12})kB")
_MEM_TOTAL = re.compile(r"^Node [0-9]+ MemTotal:\s+([0-9]{1,18}) kB", re.MULTILINE)


def read_memory(tree: Tree, online: tuple[int, ...] | None) -> Memory:
    """Return memory and huge pages by node.

    Args:
        tree: The machine.
        online: CPUs that are online. Old kernels list others in nodes too; without NUMA, all of these are in node 0.
    """
    with tree.reading("memory"):
        total = _kilobytes(key_values(tree.text("/proc/meminfo"), ":").get("MemTotal"))
        numbers = sorted(int(match.group(1)) for match in map(_NODE_FOLDER.fullmatch, tree.names(_NODES)) if match)
        nodes = {str(number): _node(tree, number, online) for number in numbers}
        pools = _pools(tree, "/sys/kernel/mm/hugepages")
        if not nodes and (total is not None or pools):
            nodes = {"0": MemoryNode(total, online, pools)}
        elif len(nodes) == 1:
            # The only node has all the pools of the machine, where the node's own folder lists none.
            ((name, node),) = nodes.items()
            nodes = {name: node._replace(hugepages=node.hugepages or pools)}
        return Memory(total, nodes)


def _node(tree: Tree, number: int, online: tuple[int, ...] | None) -> MemoryNode:
    folder = f"{_NODES}/node{number}"
    total = _MEM_TOTAL.search(tree.text(folder + "/meminfo") or "")
    return MemoryNode(
        total_bytes=int(total.group(1)) * 1024 if total else None,
        cpus=_online(node_cpus(tree, f"node{number}"), online),
        hugepages=_pools(tree, folder + "/hugepages"),
    )


def _online(cpus: tuple[int, ...] | None, online: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if cpus is None or online is None:
        return cpus
    online_cpus = frozenset(online)
    return tuple(cpu for cpu in cpus if cpu in online_cpus)


def _pools(tree: Tree, folder: str) -> dict[str, HugePages]:
    sizes = sorted(int(match.group(1)) for match in map(_SIZE_FOLDER.fullmatch, tree.names(folder)) if match)
    return {str(size): _pool(tree, f"{folder}/hugepages-{size}kB") for size in sizes}


def _pool(tree: Tree, folder: str) -> HugePages:
    return HugePages(
        total=integer(tree.text(folder + "/nr_hugepages")),
        free=integer(tree.text(folder + "/free_hugepages")),
        surplus=integer(tree.text(folder + "/surplus_hugepages")),
    )


def _kilobytes(text: str | None) -> int | None:
    number, _space, unit = (text or "").partition(" ")
    value = integer(number, most=2**53) if unit == "kB" else None
    return None if value is None else value * 1024
