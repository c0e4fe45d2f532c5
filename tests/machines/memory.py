# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory, nodes and pools of huge pages.

Layout: Documentation/ABI/stable/sysfs-devices-node and Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

from typing import Any

from .files import Files, as_list, as_mask, size
from .processors import LogicalCpu

NODE = "/sys/devices/system/node"


def write_memory(files: Files, cpus: list[LogicalCpu], described: dict[str, Any]) -> None:
    """Write /proc/meminfo, the pools, and the nodes if the kernel supports NUMA."""
    nodes: dict[int, dict[str, Any]] = {int(number): node for number, node in described["nodes"].items()}
    total = sum(size(node["size"]) for node in nodes.values()) >> 10
    files.write(
        "/proc/meminfo",
        (
            f"MemTotal:       {total:>8} kB\nMemFree:        {total // 2:>8} kB\nMemAvailable:   {total // 2:>8} kB\n"
            f"HugePages_Total:       0\nHugepagesize:       2048 kB\n"
        ),
    )
    sizes = sorted({int(page) for node in nodes.values() for page in node.get("hugepages", {})})
    for page in sizes:
        pools = [node.get("hugepages", {}).get(page, [0, 0, 0]) for node in nodes.values()]
        _write_pool(
            files,
            f"/sys/kernel/mm/hugepages/hugepages-{page}kB",
            [sum(part) for part in zip(*pools, strict=True)],
            whole=True,
        )
    if described.get("numa", True):
        for number, node in nodes.items():
            _write_node(files, number, node, list(nodes), cpus)
        _write_node_lists(files, nodes, cpus)


def _write_pool(files: Files, folder: str, pool: list[int], *, whole: bool) -> None:
    files.attributes(
        folder,
        {
            "nr_hugepages": pool[0],
            "free_hugepages": pool[1],
            "surplus_hugepages": pool[2],
            "resv_hugepages": 0 if whole else None,
            "nr_overcommit_hugepages": 0 if whole else None,
        },
    )


def _write_node(files: Files, number: int, node: dict[str, Any], all_nodes: list[int], cpus: list[LogicalCpu]) -> None:
    folder = f"{NODE}/node{number}"
    members = [cpu.number for cpu in cpus if cpu.node == number and cpu.online]
    kilobytes = size(node["size"]) >> 10
    files.attributes(
        folder,
        {
            "cpulist": as_list(members),
            "cpumap": as_mask(members, max(cpu.number for cpu in cpus) + 1),
            "distance": " ".join("10" if other == number else "20" for other in all_nodes),
            "meminfo": "".join(
                f"Node {number} {name + ':':<15}{value:>8} kB\n"
                for name, value in (("MemTotal", kilobytes), ("MemFree", kilobytes // 2))
            ),
        },
    )
    for page, pool in node.get("hugepages", {}).items():
        _write_pool(files, f"{folder}/hugepages/hugepages-{page}kB", pool, whole=False)
    for cpu in members:
        files.link(f"{folder}/cpu{cpu}", f"/sys/devices/system/cpu/cpu{cpu}")
        files.link(f"/sys/devices/system/cpu/cpu{cpu}/node{number}", folder)


def _write_node_lists(files: Files, nodes: dict[int, dict[str, Any]], cpus: list[LogicalCpu]) -> None:
    with_cpu = {cpu.node for cpu in cpus if cpu.online}
    files.attributes(
        NODE,
        {
            "online": as_list(nodes),
            "possible": as_list(nodes),
            "has_cpu": as_list(with_cpu),
            "has_memory": as_list(number for number, node in nodes.items() if size(node["size"])),
        },
    )


def node_cpus(cpus: list[LogicalCpu], node: int) -> list[int]:
    """Return the nearest CPUs of a function on a node; on node -1, all CPUs."""
    return [cpu.number for cpu in cpus if cpu.online and (node < 0 or cpu.node == node)]
