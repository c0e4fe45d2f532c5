# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions of a measurement, in trees of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.benchmark_conditions import (
    read_conditions,
    read_counters,
    read_guest_process,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

CPUINFO = "processor : 0\nmodel name : A CPU\nmicrocode : 0x1f\nflags : fpu svm\n\nprocessor : 1\nmicrocode : 0x20\n"
STAT = "cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 100 0 0 0 0 0 0 0 90 0\ncpu2 7 7 7\nintr 1\n"
CPUS = "sys/devices/system/cpu"


def tree(root: Path, **files: str) -> Tree:
    """Return a tree with files; two underscores stand for a slash."""
    for name, content in files.items():
        write(root, name.replace("__", "/"), content)
    return Tree(str(root))


def write(root: Path, path: str, content: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8")


def test_settings_that_change_the_speed(tmp_path: Path) -> None:
    write(tmp_path, f"{CPUS}/cpu0/cpufreq/scaling_governor", "powersave\n")
    write(tmp_path, f"{CPUS}/cpu1/cpufreq/scaling_governor", "performance\n")
    write(tmp_path, f"{CPUS}/intel_pstate/no_turbo", "1\n")
    write(tmp_path, f"{CPUS}/vulnerabilities/meltdown", "Mitigation: PTI\n")
    write(tmp_path, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    write(tmp_path, "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n")
    conditions = read_conditions(tree(tmp_path, proc__cpuinfo=CPUINFO))
    assert {name: value for name, value in conditions.items() if value is not None} == {
        "processor": "A CPU",
        "microcode": "0x1f",
        "hypervisor": "no",
        "governor": "performance, powersave",
        "turbo": "off",
        "clocksource": "tsc",
        "transparent_hugepages": "madvise",
        "mitigation meltdown": "Mitigation: PTI",
    }


def test_turbo_of_other_drivers_and_what_is_not_shown(tmp_path: Path) -> None:
    write(tmp_path, f"{CPUS}/cpufreq/boost", "1\n")
    conditions = read_conditions(Tree(str(tmp_path)))
    assert conditions["turbo"] == "on"
    assert conditions["governor"] is None
    assert conditions["hypervisor"] is None


def test_a_guest_sees_that_it_is_one(tmp_path: Path) -> None:
    assert read_conditions(tree(tmp_path, proc__cpuinfo="flags : fpu hypervisor\n"))["hypervisor"] == "yes"


def test_counters_of_the_measured_cpus_only(tmp_path: Path) -> None:
    write(tmp_path, "sys/kernel/debug/kvm/exits", "123\n")
    write(tmp_path, "sys/kernel/debug/kvm/odd", "x\n")
    write(tmp_path, "sys/kernel/debug/kvm/77-12/exits", "5\n")
    write(tmp_path, f"{CPUS}/cpu0/thermal_throttle/core_throttle_count", "2\n")
    write(tmp_path, f"{CPUS}/cpu1/thermal_throttle/core_throttle_count", "3\n")
    counters = read_counters(tree(tmp_path, proc__stat=STAT), (0, 1))
    assert counters.kvm == {"exits": 123}
    assert counters.throttled == 5
    assert (counters.cpu["user"], counters.cpu["guest"], counters.cpu["steal"]) == (101, 99, 8)


def test_a_host_without_counters(tmp_path: Path) -> None:
    counters = read_counters(Tree(str(tmp_path)), (0,))
    assert (counters.kvm, counters.throttled, set(counters.cpu.values())) == ({}, None, {0})


def guest(root: Path, accelerator: str = "KVM") -> None:
    write(root, "proc/70/cmdline", "qemu\0-name\0guest=win,debug-threads=on\0")
    threads = ((70, "qemu", "0-7"), (100, f"CPU 1/{accelerator}", "3"), (99, f"CPU 0/{accelerator}", "2"))
    for thread, comm, cpus in threads:
        write(root, f"proc/70/task/{thread}/comm", f"{comm}\n")
        write(root, f"proc/70/task/{thread}/status", f"Name:\t{comm}\nCpus_allowed_list:\t{cpus}\n")
    huge = "7f0 bind:0 file=/dev/hugepages/x huge dirty=512 N0=511 N1=1 kernelpagesize_kB=2048"
    write(root, "proc/70/numa_maps", f"{huge}\n7f1 default anon=3 N0=3 kernelpagesize_kB=4\n7f2 default\n")


def test_the_process_of_a_guest(tmp_path: Path) -> None:
    guest(tmp_path)
    process = read_guest_process(Tree(str(tmp_path)), "win")
    assert process is not None
    assert process.vcpus == ("2", "3")
    assert process.uses_kvm
    assert process.page_bytes == {"2048": 512 << 21, "4": 3 << 12}
    assert process.node_bytes == {"0": (511 << 21) + (3 << 12), "1": 1 << 21}


def test_an_emulated_guest_and_one_that_is_off(tmp_path: Path) -> None:
    guest(tmp_path, "TCG")
    process = read_guest_process(Tree(str(tmp_path)), "win")
    assert process is not None
    assert not process.uses_kvm
    assert read_guest_process(Tree(str(tmp_path)), "other") is None


@settings(max_examples=25)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_content_raises_an_exception(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("tree")
    guest(root)
    process = ("proc/70/numa_maps", "proc/70/task/99/status")
    for path in (*process, "proc/stat", "proc/cpuinfo", "sys/kernel/debug/kvm/exits"):
        write(root, path, text)
    read_conditions(Tree(str(root)))
    read_counters(Tree(str(root)), (0,))
    read_guest_process(Tree(str(root)), "win")
