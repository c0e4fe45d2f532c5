# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a request for CPUs to those that guests get, in whole cores, or to refusals."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from .._machine import Core, Machine
from .._machine.desired import BOOT, CpuIsolationRequest
from .._machine.host_plan import CpuPlan
from .._machine.plan import Refusal
from .cores import Pool, pools, take
from .notation import numbers_text, size_text
from .refusals import refuse

#: What the host keeps of machines with so many cores, unless told: two are better, and more than a small one can spare.
_TWO_FROM = 4


class CpuResult(NamedTuple):
    """The plan, with what speaks against it."""

    plan: CpuPlan | None
    refusals: tuple[Refusal, ...]


def plan_cpus(machine: Machine, request: CpuIsolationRequest, near: Sequence[int]) -> CpuResult:
    """Return the CPUs that guests get.

    Args:
        machine: The machine.
        request: What is wanted.
        near: Nodes of the devices that guests get, the most important first; none where no node is nearer.
    """
    online = machine.cpus.online
    if not isinstance(request.cpus, str) and not request.cpus:
        return CpuResult(CpuPlan((), online or (), (), request.mode, "No CPU is kept for guests."), ())
    if not online or not machine.cpus.cores:
        seen = "Which CPUs are online, and which share a core, can't be told (/sys/devices/system/cpu)"
        return CpuResult(None, (refuse("cpus_unknown", seen),))
    if isinstance(request.cpus, str):
        return _auto(machine, request, near)
    return _listed(machine, request, request.cpus)


def hosts_core(machine: Machine) -> Core:
    """Return the core that the host always keeps: CPU 0's, where the kernel's own threads and timers are at home.

    Where CPU 0 is offline, the core of the lowest CPU takes its place.
    """
    return min(machine.cpus.cores, key=lambda core: core.cpus)


def _keep(machine: Machine, request: CpuIsolationRequest) -> int:
    if request.keep_for_host is not None:
        return request.keep_for_host
    # Who writes a list has decided; one core is what no host does without.
    return 2 if isinstance(request.cpus, str) and len(machine.cpus.cores) >= _TWO_FROM else 1


def _listed(machine: Machine, request: CpuIsolationRequest, cpus: Sequence[int]) -> CpuResult:
    refusals = list(_list_refusals(machine, cpus, _keep(machine, request)))
    reason = f"CPUs {numbers_text(cpus)} are for guests: they are named in the list."
    return CpuResult(_plan(machine, request, tuple(cpus), reason), tuple(refusals))


def _list_refusals(machine: Machine, cpus: Sequence[int], keep: int) -> Iterator[Refusal]:
    wanted = set(cpus)
    online = machine.cpus.online or ()
    missing = wanted.difference(online)
    if missing:
        seen = f"CPU {numbers_text(missing)} is named, and online are {numbers_text(online)}"
        yield refuse("cpus_unknown", seen)
    loose = wanted.difference(missing, *(core.cpus for core in machine.cpus.cores))
    if loose:
        yield refuse("cpus_unknown", f"CPU {numbers_text(loose)} is named, and the kernel does not tell its siblings")
    split = [set(core.cpus) for core in machine.cpus.cores if wanted.intersection(core.cpus)]
    split = [cpus for cpus in split if not wanted >= cpus]
    if split:
        of_them = {cpu for cpus in split for cpu in cpus}
        inside, outside = numbers_text(of_them & wanted), numbers_text(of_them - wanted)
        yield refuse("cpus_split_core", f"CPU {inside} is named, and not its sibling, CPU {outside}")
    left = [core for core in machine.cpus.cores if not wanted.intersection(core.cpus)]
    first = hosts_core(machine)
    if wanted.intersection(first.cpus):
        seen = f"The list has CPU {numbers_text(wanted.intersection(first.cpus))}, of the core that the host needs"
        yield refuse("cpus_leave_none_for_host", seen)
    elif len(left) < keep:
        seen = f"The list leaves {len(left)} of {len(machine.cpus.cores)} cores to the host, which keeps {keep}"
        yield refuse("cpus_leave_none_for_host", seen)


def _auto(machine: Machine, request: CpuIsolationRequest, near: Sequence[int]) -> CpuResult:
    cores = machine.cpus.cores
    keep = _keep(machine, request)
    spare = len(cores) - keep
    if spare < 1:
        seen = f"The machine has {len(cores)} {'core' if len(cores) == 1 else 'cores'}, and the host keeps {keep}"
        return CpuResult(None, (refuse("cpus_leave_none_for_host", seen),))
    nodes = _nodes(machine, near)
    free = [core for core in cores if core != hosts_core(machine) and (not nodes or core.node in nodes)]
    if request.cores is not None and request.cores > min(spare, len(free)):
        where = f" on node {numbers_text(nodes)}, where the devices are" if nodes else ""
        seen = f"{request.cores} cores are wanted; beside those of the host there are {min(spare, len(free))}{where}"
        return CpuResult(None, (refuse("cpus_too_few", seen),))
    if not free:
        seen = f"Node {numbers_text(nodes)}, where the devices are, has no core that the host can spare"
        return CpuResult(None, (refuse("cpus_too_few", seen),))
    chosen = take(machine, free, nodes, hosts_core(machine), request.cores, spare)
    cpus = tuple(sorted(cpu for core in chosen for cpu in core.cpus))
    return CpuResult(_plan(machine, request, cpus, _reason(machine, chosen, nodes)), ())


def _nodes(machine: Machine, near: Sequence[int]) -> tuple[int, ...]:
    """Return the devices' nodes that have cores; none where every node is as good."""
    there = {core.node for core in machine.cpus.cores}
    return tuple(node for node in dict.fromkeys(near) if node in there)


def _plan(machine: Machine, request: CpuIsolationRequest, cpus: tuple[int, ...], reason: str) -> CpuPlan:
    host = tuple(cpu for cpu in machine.cpus.online or () if cpu not in cpus)
    return CpuPlan(cpus, host, _arguments(cpus) if request.mode == BOOT else (), request.mode, reason)


def _arguments(cpus: Sequence[int]) -> tuple[str, ...]:
    """Return what keeps the scheduler, managed interrupts, the tick and RCU's callbacks off CPUs from boot on.

    Source: Documentation/admin-guide/kernel-parameters.txt, isolcpus=, nohz_full=, rcu_nocbs=.
    """
    text = numbers_text(cpus)
    return f"isolcpus=domain,managed_irq,{text}", f"nohz_full={text}", f"rcu_nocbs={text}"


def _reason(machine: Machine, chosen: Sequence[Core], nodes: Sequence[int]) -> str:
    """Say in one sentence why these."""
    cpus = numbers_text(cpu for core in chosen for cpu in core.cpus)
    kinds = {core.kind for core in chosen}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    parts = [f"{len(chosen)} whole {f'{kind} ' if kind else ''}{'core' if len(chosen) == 1 else 'cores'}"]
    if len(kinds) > 1:
        parts[0] += " of both kinds"
    parts.append(_caches(machine, pools(chosen, hosts_core(machine), machine)))
    if nodes:
        parts.append(f"on the devices' node {numbers_text(core.node for core in chosen if core.node is not None)}")
    left = len(machine.cpus.cores) - len(chosen)
    first = hosts_core(machine).cpus
    kept = f"{'CPU' if len(first) == 1 else 'CPUs'} {numbers_text(first)}"
    parts.append(f"and the host keeps {left} {'core' if left == 1 else 'cores'}, {kept} among them")
    return f"CPUs {cpus} are for guests: {', '.join(part for part in parts if part)}."


def _caches(machine: Machine, found: Sequence[Pool]) -> str:
    named = [pool for pool in found if pool.l3 is not None]
    if not named or len(named) < len(found):
        return ""
    if len(named) > 1:
        return f"in {len(named)} L3 caches"
    group = machine.cpus.l3_groups.get(named[0].l3 or "")
    size = f" of {size_text(group.size_bytes)}" if group and group.size_bytes else ""
    alone = "the only" if len(machine.cpus.l3_groups) == 1 else "one"
    return f"in {alone} L3 cache{size}"
