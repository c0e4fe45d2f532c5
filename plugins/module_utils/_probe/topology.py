# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPUs: which of them are online, and which share a core, a cache or a node.

Source: Documentation/admin-guide/cputopology.rst and Documentation/ABI/testing/sysfs-devices-system-cpu.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping, NamedTuple

from .._machine import Core, Cpus, L3Group
from .parse import cpu_list, cpu_mask, integer, size_bytes
from .tree import Tree

_CPUS = "/sys/devices/system/cpu"
_CPU_FOLDER = re.compile(r"cpu([0-9]{1,5})")
_NODE_FOLDER = re.compile(r"node([0-9]{1,5})")


class _Cache(NamedTuple):
    cpus: tuple[int, ...]
    size: int | None


def read_cpus(tree: Tree) -> Cpus:
    """Return the CPUs of a machine.

    A CPU whose siblings are unknown is not in any core: a core of its own could be half of a real one.
    """
    with tree.reading("cpus"):
        folders = sorted(int(match.group(1)) for match in map(_CPU_FOLDER.fullmatch, tree.names(_CPUS)) if match)
        online = cpu_list(tree.text(_CPUS + "/online"))
        if online is None and folders:
            # Only online CPUs have a topology.
            online = tuple(cpu for cpu in folders if tree.exists(f"{_CPUS}/cpu{cpu}/topology"))
        present = cpu_list(tree.text(_CPUS + "/present"))
        if present is None and folders:
            present = tuple(folders)
        groups, group_of = _l3_groups(tree, online or ())
        cores = _cores(tree, online or (), _nodes_of_cpus(tree), group_of)
        offline = _offline(tree, online, present)
        return Cpus(
            online=online,
            offline=offline,
            isolated=cpu_list(tree.text(_CPUS + "/isolated")),
            nohz_full=cpu_list(tree.text(_CPUS + "/nohz_full")),
            cores=_with_kinds(tree, cores, all_online=offline == ()),
            l3_groups=groups,
        )


def _offline(tree: Tree, online: tuple[int, ...] | None, present: tuple[int, ...] | None) -> tuple[int, ...] | None:
    # The kernel's own list of offline CPUs also has those that could be hot-plugged and are not present.
    if online is not None and present is not None:
        online_cpus = frozenset(online)
        return tuple(cpu for cpu in present if cpu not in online_cpus)
    return cpu_list(tree.text(_CPUS + "/offline"))


def _nodes_of_cpus(tree: Tree) -> Mapping[int, int]:
    nodes = {}
    for match in map(_NODE_FOLDER.fullmatch, tree.names("/sys/devices/system/node")):
        if match:
            for cpu in node_cpus(tree, match.group(0)) or ():
                nodes[cpu] = int(match.group(1))
    return nodes


def node_cpus(tree: Tree, node: str) -> tuple[int, ...] | None:
    """Return the CPUs of a node, such as `node0`, from its list or its mask, or from the links in its folder."""
    folder = "/sys/devices/system/node/" + node
    cpus = _listed_cpus(tree, folder + "/cpulist", folder + "/cpumap")
    if cpus is not None:
        return cpus
    linked = sorted(int(match.group(1)) for match in map(_CPU_FOLDER.fullmatch, tree.names(folder)) if match)
    return tuple(linked) or None


def _listed_cpus(tree: Tree, list_path: str, mask_path: str) -> tuple[int, ...] | None:
    """Return the CPUs of a list, or of the mask beside it: captures by hwloc and util-linux may have masks only."""
    cpus = cpu_list(tree.text(list_path))
    return cpu_mask(tree.text(mask_path)) if cpus is None else cpus


def _siblings(tree: Tree, cpu: int) -> tuple[int, ...] | None:
    topology = f"{_CPUS}/cpu{cpu}/topology"
    # core_cpus was called thread_siblings before Linux 5.3; newer kernels have both.
    for name in ("core_cpus", "thread_siblings"):
        cpus = cpu_list(tree.text(f"{topology}/{name}_list"))
        if cpus is not None:
            return cpus
    for name in ("core_cpus", "thread_siblings"):
        cpus = cpu_mask(tree.text(f"{topology}/{name}"))
        if cpus is not None:
            return cpus
    return None


def _cores(
    tree: Tree, online: Iterable[int], nodes: Mapping[int, int], group_of: Mapping[int, str]
) -> tuple[Core, ...]:
    cores: list[Core] = []
    assigned: set[int] = set()
    online_cpus = set(online)
    for cpu in sorted(online_cpus):
        if cpu in assigned:
            continue
        siblings = online_cpus.intersection(_siblings(tree, cpu) or ()) - assigned
        if cpu not in siblings:
            continue
        assigned |= siblings
        cores.append(_core(tree, cpu, siblings, nodes.get(cpu), group_of.get(cpu)))
    return tuple(cores)


def _core(tree: Tree, cpu: int, siblings: Iterable[int], node: int | None, l3: str | None) -> Core:
    topology = f"{_CPUS}/cpu{cpu}/topology"
    return Core(
        cpus=tuple(sorted(siblings)),
        package=integer(tree.text(topology + "/physical_package_id")),
        die=integer(tree.text(topology + "/die_id")),
        node=node,
        l3=l3,
        kind=None,
    )


def _l3_groups(tree: Tree, online: Iterable[int]) -> tuple[dict[str, L3Group], dict[int, str]]:
    groups: dict[str, L3Group] = {}
    group_of: dict[int, str] = {}
    online_cpus = set(online)
    for cpu in sorted(online_cpus):
        if cpu in group_of:
            continue
        cache = _cache(tree, cpu, "3", online_cpus)
        if cache is not None:
            name = str(cache.cpus[0])
            groups[name] = L3Group(cache.cpus, cache.size)
            group_of.update((sharer, name) for sharer in cache.cpus)
    return groups, group_of


def _cache(tree: Tree, cpu: int, level: str, online: set[int]) -> _Cache | None:
    """Return a CPU's unified cache of a level: the CPUs that share it, and its size."""
    folder = f"{_CPUS}/cpu{cpu}/cache"
    # On x86, and usually elsewhere, index3 is the third level: read it first.
    for index in sorted(tree.names(folder), key=lambda name: name != "index" + level):
        if not index.startswith("index") or tree.text(f"{folder}/{index}/level") != level:
            continue
        sharers = _listed_cpus(tree, f"{folder}/{index}/shared_cpu_list", f"{folder}/{index}/shared_cpu_map")
        if sharers is None or cpu not in sharers:
            return None
        return _Cache(
            tuple(sharer for sharer in sharers if sharer in online),
            size_bytes(tree.text(f"{folder}/{index}/size")),
        )
    return None


def _with_kinds(tree: Tree, cores: tuple[Core, ...], all_online: bool) -> tuple[Core, ...]:
    """Return the cores with their kind, performance or efficiency, by the first source that has it."""
    efficiency = _kinds_by_pmu(tree) or _kinds_by_capacity(tree, cores)
    if efficiency is None and all_online:  # a core with an offline sibling looks like a core without SMT
        efficiency = _kinds_by_shape(tree, cores)
    if efficiency is None:
        return cores
    return tuple(core._replace(kind=efficiency.get(core.cpus[0])) for core in cores)


def _kinds_by_pmu(tree: Tree) -> dict[int, str] | None:
    # Intel's hybrid parts have a performance monitoring unit of each kind (Documentation/admin-guide/pmu.rst).
    performance = cpu_list(tree.text("/sys/devices/cpu_core/cpus"))
    efficiency = cpu_list(tree.text("/sys/devices/cpu_atom/cpus"))
    if not performance or not efficiency or set(performance) & set(efficiency):
        return None
    kinds = dict.fromkeys(performance, "performance")
    kinds.update(dict.fromkeys(efficiency, "efficiency"))
    return kinds


def _kinds_by_capacity(tree: Tree, cores: tuple[Core, ...]) -> dict[int, str] | None:
    # Arm: relative capacity, 1024 for the fastest CPUs (Documentation/scheduler/sched-capacity.rst).
    capacities = {}
    for core in cores:
        capacity = integer(tree.text(f"{_CPUS}/cpu{core.cpus[0]}/cpu_capacity"), 1)
        if capacity is None:
            return None
        capacities[core.cpus[0]] = capacity
    if len(set(capacities.values())) < 2:
        return None
    least = min(capacities.values())
    return {cpu: "efficiency" if capacity == least else "performance" for cpu, capacity in capacities.items()}


def _kinds_by_shape(tree: Tree, cores: tuple[Core, ...]) -> dict[int, str] | None:
    """Return Intel's kinds, inferred where the kernel does not list them (before Linux 5.13, in guests and captures).

    Performance cores have two threads and a second-level cache each; efficiency cores have one thread and share a
    second-level cache in clusters.
    """
    single = [core for core in cores if len(core.cpus) == 1]
    double = [core for core in cores if len(core.cpus) == 2]
    if not single or not double or len(single) + len(double) != len(cores):
        return None
    online = {cpu for core in cores for cpu in core.cpus}
    for core in cores:
        cache = _cache(tree, core.cpus[0], "2", online)
        if cache is None or (len(cache.cpus) > len(core.cpus)) != (len(core.cpus) == 1):
            return None
    kinds = {core.cpus[0]: "efficiency" for core in single}
    kinds.update((core.cpus[0], "performance") for core in double)
    return kinds
