# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions of a measurement: settings that change the speed, and what the kernel counts meanwhile."""

from __future__ import annotations

import re
import time
from typing import Iterable, Iterator

from .._machine.benchmark import Counters, GuestProcess
from .parse import integer, key_values
from .processes import guest_processes
from .tree import FILE_LIMIT, Tree

_CPUS = "/sys/devices/system/cpu"
_VULNERABILITIES = f"{_CPUS}/vulnerabilities"
_KVM = "/sys/kernel/debug/kvm"
_CPU = re.compile(r"cpu([0-9]{1,5})", re.ASCII)
_TICKS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_VCPU = re.compile(r"CPU [0-9]{1,5}/(KVM|TCG)", re.ASCII)
_NODE = re.compile(r"\bN([0-9]{1,4})=([0-9]{1,15})", re.ASCII)
_PAGE = re.compile(r"\bkernelpagesize_kB=([0-9]{1,9})", re.ASCII)
_CHOSEN = re.compile(r"\[(\w+)\]", re.ASCII)
_NO_TURBO, _BOOST = f"{_CPUS}/intel_pstate/no_turbo", f"{_CPUS}/cpufreq/boost"
_ON_OFF = {"0": "off", "1": "on"}
_REVERSED = {"0": "on", "1": "off"}


def read_conditions(tree: Tree) -> dict[str, str | None]:
    """Return settings that change the speed, by name; None where the host does not show one, as guests often don't."""
    first = (tree.text("/proc/cpuinfo", FILE_LIMIT) or "").partition("\n\n")[0]
    processor = key_values(first, ":")
    flags = processor.get("flags", "").split()
    return {
        "kernel": tree.text("/proc/sys/kernel/osrelease"),
        "processor": processor.get("model name"),
        "microcode": processor.get("microcode"),
        "hypervisor": None if not flags else "yes" if "hypervisor" in flags else "no",
        "governor": _governors(tree),
        "turbo": _turbo(tree),
        "smt": tree.text(f"{_CPUS}/smt/control"),
        "clocksource": tree.text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "transparent_hugepages": _chosen(tree.text("/sys/kernel/mm/transparent_hugepage/enabled")),
        **{f"mitigation {name}": tree.text(f"{_VULNERABILITIES}/{name}") for name in tree.names(_VULNERABILITIES)},
    }


def read_counters(tree: Tree, cpus: Iterable[int]) -> Counters:
    """Return what the kernel has counted.

    Args:
        tree: The host's files.
        cpus: The CPUs that are measured.
    """
    return Counters(time.time(), dict(_kvm(tree)), _ticks(tree, frozenset(cpus)), _throttled(tree))


def read_guest_process(tree: Tree, name: str) -> GuestProcess | None:
    """Return the QEMU process of a guest; None if the guest does not run."""
    for process, guest in guest_processes(tree):
        if guest == name:
            return _guest_process(tree, f"/proc/{process}")
    return None


def _guest_process(tree: Tree, folder: str) -> GuestProcess:
    vcpus, uses_kvm = [], False
    # Threads of vCPUs are created in the order of the vCPUs.
    for thread in sorted(tree.names(f"{folder}/task"), key=lambda number: integer(number) or 0):
        match = _VCPU.fullmatch(tree.text(f"{folder}/task/{thread}/comm") or "")
        if match:
            uses_kvm = uses_kvm or match.group(1) == "KVM"
            status = key_values(tree.text(f"{folder}/task/{thread}/status"), ":")
            vcpus.append(status.get("Cpus_allowed_list", ""))
    pages: dict[str, int] = {}
    nodes: dict[str, int] = {}
    for line in (tree.text(f"{folder}/numa_maps", FILE_LIMIT) or "").splitlines():
        size = _PAGE.search(line)
        if size:
            _count_pages(line, size.group(1), pages, nodes)
    return GuestProcess(tuple(vcpus), pages, nodes, uses_kvm)


def _count_pages(line: str, size_kb: str, pages: dict[str, int], nodes: dict[str, int]) -> None:
    for node, count in _NODE.findall(line):
        size = int(count) * int(size_kb) * 1024
        pages[size_kb] = pages.get(size_kb, 0) + size
        nodes[node] = nodes.get(node, 0) + size


def _governors(tree: Tree) -> str | None:
    names = (name for name in tree.names(_CPUS) if _CPU.fullmatch(name))
    governors = {tree.text(f"{_CPUS}/{name}/cpufreq/scaling_governor") for name in names} - {None}
    return ", ".join(sorted(filter(None, governors))) or None


def _turbo(tree: Tree) -> str | None:
    """Return whether processors may exceed their base frequency; intel_pstate has its own file, with the opposite."""
    reversed_ = _REVERSED.get(tree.text(_NO_TURBO) or "")
    return reversed_ or _ON_OFF.get(tree.text(_BOOST) or "")


def _chosen(text: str | None) -> str | None:
    """Return the chosen word of an attribute with a list: `madvise` of `always [madvise] never`."""
    match = _CHOSEN.search(text or "")
    return match.group(1) if match else None


def _kvm(tree: Tree) -> Iterator[tuple[str, int]]:
    """Yield the counters of all guests together: the files in the directory itself, not those of each guest."""
    for name in tree.names(_KVM):
        count = integer(tree.text(f"{_KVM}/{name}"))
        if count is not None:
            yield name, count


def _ticks(tree: Tree, cpus: frozenset[int]) -> dict[str, int]:
    totals = dict.fromkeys(_TICKS, 0)
    for line in (tree.text("/proc/stat", FILE_LIMIT) or "").splitlines():
        words = line.split()
        match = _CPU.fullmatch(words[0]) if words else None
        if match and int(match.group(1)) in cpus:
            for name, ticks in zip(_TICKS, words[1:]):
                totals[name] += integer(ticks) or 0
    return totals


def _throttled(tree: Tree) -> int | None:
    paths = (f"{_CPUS}/{name}/thermal_throttle/core_throttle_count" for name in tree.names(_CPUS) if _CPU.match(name))
    counts = [count for count in (integer(tree.text(path)) for path in paths) if count is not None]
    return sum(counts) if counts else None
