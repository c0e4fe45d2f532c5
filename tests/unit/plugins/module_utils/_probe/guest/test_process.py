# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a running guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_inside import GuestProcess
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.process import read_process
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

HUGE = "7f0000000000 bind:0 file=/dev/hugepages/ram huge dirty=256 N0=200 N1=56 kernelpagesize_kB=2048"
SMALL = "55d0c0000000 default anon=9000 dirty=9000 N0=9000 kernelpagesize_kB=4"


def lay_out(root: Path, maps: str, pid: str = "321") -> Tree:
    files = {
        "run/libvirt/qemu/g.pid": f"{pid}\n",
        "proc/321/numa_maps": maps,
        "proc/321/task/321/comm": "qemu-system-x86\n",
        "proc/321/task/321/status": "Name:\tqemu\nCpus_allowed_list:\t0-1\n",
        "proc/321/task/330/comm": "CPU 0/KVM\n",
        "proc/321/task/330/status": "Name:\tCPU 0/KVM\nCpus_allowed:\tc\nCpus_allowed_list:\t2-3\n",
        "proc/321/task/331/comm": "CPU 1/TCG\n",
        "proc/321/task/331/status": "Cpus_allowed_list:\t7\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Tree(str(root))


@pytest.mark.parametrize(("maps", "page"), [(f"{SMALL}\n{HUGE}\n", 2 << 20), (SMALL, 4096), ("", None), ("x N=", None)])
def test_the_process(maps: str, page: int | None, tmp_path: Path) -> None:
    assert read_process(lay_out(tmp_path, maps), "g") == GuestProcess({0: (2, 3), 1: (7,)}, page)


@pytest.mark.parametrize("pid", ["", "x", "-1", "../1"])
def test_a_process_that_is_unknown(pid: str, tmp_path: Path) -> None:
    assert read_process(lay_out(tmp_path, HUGE, pid), "g") is None
    assert read_process(Tree(str(tmp_path)), "other") is None


def test_a_process_that_has_ended(tmp_path: Path) -> None:
    assert read_process(lay_out(tmp_path, HUGE, "4"), "g") == GuestProcess({}, None)
