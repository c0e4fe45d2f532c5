# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cores and nodes of captured trees that have CPU masks and no lists, as written by hwloc-gather-topology."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Core, L3Group
from ansible_collections.vfio.workstation.plugins.module_utils._probe.memory import read_memory
from ansible_collections.vfio.workstation.plugins.module_utils._probe.topology import read_cpus
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import Files

CPU = "/sys/devices/system/cpu"
#: Two cores with two threads each, numbered far apart.
CORES = (
    Core(cpus=(0, 2), package=0, die=None, node=0, l3=None, kind=None),
    Core(cpus=(1, 3), package=0, die=None, node=0, l3=None, kind=None),
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a tree with four CPUs; the list of online CPUs is the only list."""
    files = Files(tmp_path)
    files.write(f"{CPU}/online", "0-3\n")
    for cpu in range(4):
        files.attributes(
            f"{CPU}/cpu{cpu}/topology",
            {
                "core_id": cpu % 2,
                "physical_package_id": 0,
                "thread_siblings": "0000000a" if cpu % 2 else "00000005",
                "core_siblings": "0000000f",
            },
        )
    files.write("/sys/devices/system/node/node0/cpumap", "0000000f\n")
    return files


def test_masks_give_cores_and_nodes(files: Files) -> None:
    tree = Tree(files.root)
    cpus = read_cpus(tree)
    assert cpus.cores == CORES
    assert read_memory(tree, cpus.online).nodes["0"].cpus == (0, 1, 2, 3)


def test_masks_of_newer_kernels_give_cores(files: Files) -> None:
    for cpu in range(4):
        files.remove(f"{CPU}/cpu{cpu}/topology/thread_siblings")
        files.write(f"{CPU}/cpu{cpu}/topology/core_cpus", "0000000a" if cpu % 2 else "00000005")
    assert read_cpus(Tree(files.root)).cores == CORES


def test_masks_give_caches(files: Files) -> None:
    for cpu in range(4):
        files.attributes(
            f"{CPU}/cpu{cpu}/cache/index3",
            {"level": 3, "type": "Unified", "size": "8192K", "shared_cpu_map": "0000000f"},
        )
    assert read_cpus(Tree(files.root)).l3_groups == {"0": L3Group((0, 1, 2, 3), 8 << 20)}


def test_lists_are_preferred_to_masks(files: Files) -> None:
    for cpu in range(4):
        files.write(f"{CPU}/cpu{cpu}/topology/thread_siblings_list", cpu)
    files.write("/sys/devices/system/node/node0/cpulist", "0-1\n")
    cpus = read_cpus(Tree(files.root))
    assert [(core.cpus, core.node) for core in cpus.cores] == [((0,), 0), ((1,), 0), ((2,), None), ((3,), None)]


def test_an_invalid_mask_gives_no_core(files: Files) -> None:
    for cpu in (0, 2):
        files.write(f"{CPU}/cpu{cpu}/topology/thread_siblings", "5,\n")
    assert [core.cpus for core in read_cpus(Tree(files.root)).cores] == [(1, 3)]


def test_a_node_without_cpus_has_an_empty_mask(files: Files) -> None:
    files.write("/sys/devices/system/node/node1/cpumap", "00000000\n")
    assert read_memory(Tree(files.root), (0, 1, 2, 3)).nodes["1"].cpus == ()


def test_a_nul_byte_is_not_part_of_a_number(files: Files) -> None:
    files.write(f"{CPU}/online", b"0-3\0")
    for cpu in range(4):
        files.write(f"{CPU}/cpu{cpu}/topology/physical_package_id", b"0\0")
        files.write(f"{CPU}/cpu{cpu}/topology/thread_siblings", b"0000000a\n\0" if cpu % 2 else b"00000005\0\n")
    assert read_cpus(Tree(files.root)).cores == CORES
