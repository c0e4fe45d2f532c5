# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lstopo (hwloc)."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple
from xml.etree import ElementTree


class Hwloc(NamedTuple):
    """A machine as read by hwloc."""

    online: frozenset[int]
    cores: frozenset[frozenset[int]]
    packages: dict[int, frozenset[int]]  # CPUs by the kernel's number of the package
    l3: dict[frozenset[int], int]  # size by the CPUs that share the cache
    nodes: dict[int, frozenset[int]]
    memory: dict[int, int]
    pages: dict[int, dict[int, int]]  # number of pages by node and by page size in bytes


def read_hwloc(root: str = "") -> Hwloc | None:
    """Return the machine, or None for a tree without the CPU topology that hwloc requires."""
    captured = {"HWLOC_FSROOT": root, "HWLOC_THISSYSTEM": "0", "HWLOC_COMPONENTS": "linux,stop"} if root else {}
    done = subprocess.run(
        ["lstopo-no-graphics", "--disallowed", "--no-io", "--of", "xml"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **captured},
    )
    return _machine(ElementTree.fromstring(done.stdout)) if done.returncode == 0 else None


def _machine(topology: ElementTree.Element) -> Hwloc:
    objects: dict[str, list[ElementTree.Element]] = {}
    for element in topology.iter("object"):
        objects.setdefault(element.get("type", ""), []).append(element)
    nodes = {int(node.get("os_index", "0")): node for node in objects.get("NUMANode", [])}
    return Hwloc(
        online=frozenset().union(*(_cpus(unit) for unit in objects.get("PU", []))),
        cores=frozenset(_cpus(core) for core in objects.get("Core", [])),
        packages={int(package.get("os_index", "-1")): _cpus(package) for package in objects.get("Package", [])},
        l3={_cpus(cache): int(cache.get("cache_size", "0")) for cache in objects.get("L3Cache", [])},
        nodes={number: _cpus(node) for number, node in nodes.items()},
        memory={number: int(node.get("local_memory", "0")) for number, node in nodes.items()},
        pages={
            number: {int(page.get("size", "0")): int(page.get("count", "0")) for page in node.iter("page_type")}
            for number, node in nodes.items()
        },
    )


def _cpus(element: ElementTree.Element) -> frozenset[int]:
    """Return the CPUs of a bitmap: words of 32 bits, the highest first, `0x` for an empty set (hwloc/bitmap.h)."""
    value = 0
    for word in (element.get("cpuset") or "0x0").split(","):
        value = value << 32 | (int(word, 16) if word not in ("", "0x") else 0)
    return frozenset(bit for bit in range(value.bit_length()) if value >> bit & 1)
