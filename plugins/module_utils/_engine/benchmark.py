# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One measurement: runs of one kind of work on this host, with the conditions and what the kernel counted meanwhile."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, Mapping, NamedTuple

from .._apply.benchmark import Place, orderly_end, run_benchmark, suspended, version
from .._apply.commands import ToolFailed
from .._apply.guest_cpus import GuestCpus
from .._apply.lock import Busy
from .._apply.virsh import Virsh
from .._machine.benchmark import Counters, GuestProcess, Sample, Work
from .._plan.benchmarks import KINDS, TOOLS, argv, cpus_of
from .._plan.notation import numbers_text
from .._probe.benchmark_conditions import read_conditions, read_counters, read_guest_process
from .._probe.benchmarks import read_value
from .._probe.kvm_parameters import read_kvm_parameters
from .._probe.tree import Tree

#: Under which the CPUs of guests are reserved. No guest has a name with a slash.
_HOLDER = "parity/measurement"
_REPORTED_OUTPUT = 2000


class Request(NamedTuple):
    """What is to be measured.

    Attributes:
        kind: The kind of work; "" for the conditions only.
        work: What each run is given. Without CPUs, those that the guest's vCPUs are pinned to, or all.
        runs: How many runs are measured.
        warm_up: Seconds of a run before them that is not.
        node: The NUMA node of the memory; None for any.
        root: Directory that is the root of the tool.
        guest: Name of a guest of this host that is suspended meanwhile; "" for none.
        uri: The connection of libvirt.
        hold_cpus: Whether the CPUs for guests are reserved meanwhile.
    """

    kind: str
    work: Work
    runs: int = 1
    warm_up: int = 0
    node: int | None = None
    root: str = "/"
    guest: str = ""
    uri: str = "qemu:///system"
    hold_cpus: bool = False


class Measurement(NamedTuple):
    """What was measured.

    Attributes:
        cpus: The CPUs that were measured.
        samples: One for each run.
        before: Counters before the first run, the warm-up included.
        after: Counters after the last.
        conditions: Settings that change the speed.
        tools: The versions of the tools, by name; empty if a kind was measured.
        kvm: The parameters of KVM's modules.
        guest: The process of the guest; None if there is none.
    """

    cpus: tuple[int, ...]
    samples: tuple[Sample, ...]
    before: Counters
    after: Counters
    conditions: Mapping[str, str | None]
    tools: Mapping[str, str | None]
    kvm: Mapping[str, str]
    guest: GuestProcess | None


class MeasurementFailed(Exception):
    """A benchmark failed; the message says why."""


def measure(request: Request) -> Measurement:
    """Measure.

    Raises:
        MeasurementFailed: A tool is missing or failed, or its output has no value.
    """
    tree = Tree()
    guest = read_guest_process(tree, request.guest) if request.guest else None
    cpus = request.work.cpus or pinned_cpus(guest) or available_cpus()
    request = request._replace(work=request.work._replace(cpus=cpus))
    try:
        with _quiet(request):
            before = read_counters(tree, request.work.cpus)
            samples = tuple(_samples(request)) if request.kind else ()
            after = read_counters(tree, request.work.cpus)
    except (ToolFailed, Busy) as error:
        raise MeasurementFailed(str(error)) from error
    tools = {} if request.kind else {name: version(tool.version, _place(request)) for name, tool in TOOLS.items()}
    return Measurement(cpus, samples, before, after, read_conditions(tree), tools, read_kvm_parameters(tree), guest)


def available_cpus() -> tuple[int, ...]:
    """Return the CPUs that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def pinned_cpus(guest: GuestProcess | None) -> tuple[int, ...]:
    """Return the CPUs that a guest's vCPUs are pinned to; none unless each vCPU has exactly one."""
    pins = guest.vcpus if guest else ()
    return tuple(sorted({int(cpu) for cpu in pins})) if all(cpu.isdecimal() for cpu in pins) else ()


@contextlib.contextmanager
def _quiet(request: Request) -> Iterator[None]:
    """Keep the host and the guest off the CPUs meanwhile."""
    cpus = GuestCpus()
    with orderly_end():
        try:
            if request.hold_cpus:
                cpus.hold(_HOLDER)
            with suspended(Virsh(request.uri), request.guest):
                yield
        finally:
            if request.hold_cpus:
                cpus.release(_HOLDER)


def _samples(request: Request) -> Iterator[Sample]:
    if request.warm_up:
        _run(request, request.warm_up)
    for _number in range(request.runs):
        yield _run(request, request.work.seconds)


def _run(request: Request, seconds: int) -> Sample:
    kind = KINDS[request.kind]
    line = argv(request.kind, request.work._replace(seconds=seconds))
    output, elapsed = run_benchmark(line, _place(request), seconds)
    value = read_value(kind.reader, output) if kind.reader else elapsed
    if value is None:
        printed = output[-_REPORTED_OUTPUT:].strip()
        raise MeasurementFailed(f"{' '.join(line)}: its output has no value in {kind.unit}. It printed:\n{printed}")
    return Sample(value, elapsed)


def _place(request: Request) -> Place:
    work = cpus_of(request.kind, request.work) if request.kind else request.work
    return Place(numbers_text(work.cpus), request.node, request.root)
