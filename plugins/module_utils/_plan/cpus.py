# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CPUs for guests that a request results in, always whole cores, or why it is refused."""

from __future__ import annotations

from typing import Collection, Iterator, NamedTuple, Sequence

from .._machine import Core, Machine
from .._machine.desired import BOOT, CpuIsolationRequest
from .._machine.host_plan import CpuPlan
from .._machine.plan import Refusal
from .cores import Pool, pools, take
from .notation import numbers_text, size_text
from .refusals import refuse

#: Number of cores from which two are reserved for the host unless requested otherwise; smaller machines reserve one.
_TWO_FROM = 4


class CpuResult(NamedTuple):
    """The plan, and the reasons to refuse it."""

    plan: CpuPlan | None
    refusals: tuple[Refusal, ...]


def plan_cpus(machine: Machine, request: CpuIsolationRequest, near: Sequence[int]) -> CpuResult:
    """Return the CPUs for guests.

    Args:
        machine: The machine.
        request: The request.
        near: NUMA nodes of the guests' devices, the most important first; empty if no node is preferred.
    """
    online = machine.cpus.online
    if not isinstance(request.cpus, str) and not request.cpus:
        return CpuResult(CpuPlan((), online or (), (), request.mode, "No CPU is reserved for guests."), ())
    if not online or not machine.cpus.cores:
        seen = "/sys/devices/system/cpu does not show which CPUs are online, or which of them share a core"
        return CpuResult(None, (refuse("cpus_unknown", seen),))
    if isinstance(request.cpus, str):
        return _auto(machine, request, near)
    return _listed(machine, request, request.cpus)


def host_core(machine: Machine) -> Core:
    """Return the core that is always reserved for the host: that of CPU 0, which runs kernel threads and timers.

    Where CPU 0 is offline, it is the core of the lowest CPU.
    """
    return min(machine.cpus.cores, key=lambda core: core.cpus)


def _reserved(machine: Machine, request: CpuIsolationRequest) -> int:
    """Return how many cores are reserved for the host."""
    if request.keep_for_host is not None:
        return request.keep_for_host
    # A list of CPUs is an explicit choice, but any host needs one core.
    return 2 if isinstance(request.cpus, str) and len(machine.cpus.cores) >= _TWO_FROM else 1


def _listed(machine: Machine, request: CpuIsolationRequest, cpus: Sequence[int]) -> CpuResult:
    refusals = list(_list_refusals(machine, cpus, _reserved(machine, request)))
    reason = f"CPUs {numbers_text(cpus)} are for guests: they are named in the list."
    return CpuResult(_plan(machine, request, tuple(cpus), reason), tuple(refusals))


def _list_refusals(machine: Machine, cpus: Sequence[int], reserved: int) -> Iterator[Refusal]:
    requested = set(cpus)
    online = machine.cpus.online or ()
    offline = requested.difference(online)
    if offline:
        seen = f"The list has {_cpus_text(offline)}, but only {numbers_text(online)} are online"
        yield refuse("cpus_unknown", seen)
    without_core = requested.difference(offline, *(core.cpus for core in machine.cpus.cores))
    if without_core:
        seen = f"The list has {_cpus_text(without_core)}, whose siblings the kernel does not report"
        yield refuse("cpus_unknown", seen)
    touched = [set(core.cpus) for core in machine.cpus.cores if requested.intersection(core.cpus)]
    split = {cpu for core_cpus in touched if not requested >= core_cpus for cpu in core_cpus}
    if split:
        inside, outside = _cpus_text(split & requested), _cpus_text(split - requested)
        yield refuse("cpus_split_core", f"The list has {inside}, but not {outside} of the same core")
    yield from _host_refusals(machine, requested, reserved)


def _host_refusals(machine: Machine, requested: set[int], reserved: int) -> Iterator[Refusal]:
    """Yield a refusal if a list leaves the host without the core that it needs, or with too few."""
    left = [core for core in machine.cpus.cores if not requested.intersection(core.cpus)]
    of_host = requested.intersection(host_core(machine).cpus)
    if of_host:
        seen = f"The list has {_cpus_text(of_host)} of the core that is reserved for the host"
        yield refuse("cpus_leave_none_for_host", seen)
    elif len(left) < reserved:
        count = len(machine.cpus.cores)
        seen = f"The list leaves {len(left)} of {count} cores to the host, which needs {reserved}"
        yield refuse("cpus_leave_none_for_host", seen)


def _auto(machine: Machine, request: CpuIsolationRequest, near: Sequence[int]) -> CpuResult:
    cores = machine.cpus.cores
    reserved = _reserved(machine, request)
    most = len(cores) - reserved
    if most < 1:
        seen = f"The machine has {_count_text(len(cores))}, and the host needs {reserved}"
        return CpuResult(None, (refuse("cpus_leave_none_for_host", seen),))
    nodes = _nodes(machine, near)
    free = [core for core in cores if core != host_core(machine) and (not nodes or core.node in nodes)]
    if request.cores is not None and request.cores > min(most, len(free)):
        where = f" on node {numbers_text(nodes)}, which the devices are on" if nodes else ""
        available = _count_text(min(most, len(free)))
        seen = f"Requested: {_count_text(request.cores)}; available besides those of the host: {available}{where}"
        return CpuResult(None, (refuse("cpus_too_few", seen),))
    if not free:
        seen = f"Node {numbers_text(nodes)}, which the devices are on, has no core besides those of the host"
        return CpuResult(None, (refuse("cpus_too_few", seen),))
    chosen = take(machine, free, nodes, host_core(machine), request.cores, most)
    cpus = tuple(sorted(cpu for core in chosen for cpu in core.cpus))
    return CpuResult(_plan(machine, request, cpus, _reason(machine, chosen, nodes)), ())


def _nodes(machine: Machine, near: Sequence[int]) -> tuple[int, ...]:
    """Return the nodes of devices that have cores; empty if no node is preferred."""
    with_cores = {core.node for core in machine.cpus.cores}
    return tuple(node for node in dict.fromkeys(near) if node in with_cores)


def _plan(machine: Machine, request: CpuIsolationRequest, cpus: tuple[int, ...], reason: str) -> CpuPlan:
    host = tuple(cpu for cpu in machine.cpus.online or () if cpu not in cpus)
    return CpuPlan(cpus, host, _arguments(cpus) if request.mode == BOOT else (), request.mode, reason)


def _arguments(cpus: Sequence[int]) -> tuple[str, ...]:
    """Return the kernel arguments that keep the scheduler, managed interrupts, the tick and RCU callbacks off CPUs.

    Source: Documentation/admin-guide/kernel-parameters.txt, isolcpus=, nohz_full=, rcu_nocbs=.
    """
    text = numbers_text(cpus)
    return f"isolcpus=domain,managed_irq,{text}", f"nohz_full={text}", f"rcu_nocbs={text}"


def _reason(machine: Machine, chosen: Sequence[Core], nodes: Sequence[int]) -> str:
    """Return one sentence that explains the choice."""
    cpus = numbers_text(cpu for core in chosen for cpu in core.cpus)
    kinds = {core.kind for core in chosen}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    parts = [f"{len(chosen)} whole {f'{kind} ' if kind else ''}{'core' if len(chosen) == 1 else 'cores'}"]
    if len(kinds) > 1:
        parts[0] += " of both kinds"
    parts.append(_caches(machine, pools(chosen, host_core(machine), machine)))
    if nodes:
        parts.append(f"on the devices' node {numbers_text(core.node for core in chosen if core.node is not None)}")
    left = len(machine.cpus.cores) - len(chosen)
    parts.append(f"and the host keeps {_count_text(left)}, {_cpus_text(host_core(machine).cpus)} among them")
    return f"CPUs {cpus} are for guests: {', '.join(part for part in parts if part)}."


def _cpus_text(cpus: Collection[int]) -> str:
    return f"{'CPU' if len(cpus) == 1 else 'CPUs'} {numbers_text(cpus)}"


def _count_text(count: int) -> str:
    return f"{count} {'core' if count == 1 else 'cores'}"


def _caches(machine: Machine, chosen: Sequence[Pool]) -> str:
    """Return how many L3 caches the pools have; "" if that is unknown."""
    named = [pool for pool in chosen if pool.l3 is not None]
    if not named or len(named) < len(chosen):
        return ""
    if len(named) > 1:
        return f"in {len(named)} L3 caches"
    group = machine.cpus.l3_groups.get(named[0].l3 or "")
    size = f" of {size_text(group.size_bytes)}" if group and group.size_bytes else ""
    article = "the only" if len(machine.cpus.l3_groups) == 1 else "one"
    return f"in {article} L3 cache{size}"
