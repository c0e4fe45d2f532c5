# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of work that are measured: tool, arguments, and the CPUs that they use.

All tools are packages of the distributions. Their arguments fix what is measured, so that two sides do the same work.
"""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple

from .._machine.benchmark import HIGHER, LOWER, Work

#: Size of the blocks of memory: more than any cache has.
_BLOCK = "--memory-block-size=128M"
#: Loops of tools without a clock, for each second; of the order that current processors have.
_SYSCALLS, _SWITCHES, _WAKE_UPS = 2_000_000, 100_000, 5000
#: Microseconds between two wake-ups, and the longest latency that the histogram has.
_INTERVAL, _LONGEST_LATENCY = 200, 5000


class Tool(NamedTuple):
    """A program, how it prints its version, and the package that has it: of Debian and Ubuntu, and of Fedora."""

    name: str
    version: tuple[str, ...]
    debian: str
    fedora: str


class Kind(NamedTuple):
    """A kind of work.

    Attributes:
        tool: The program, a key of TOOLS.
        reader: What reads its output, a key of READERS in _probe/benchmarks.py; "" for the time that it took.
        arguments: Its arguments.
        title: What it measures, in words.
        unit: The unit of its values.
        better: HIGHER or LOWER.
        one_cpu: Whether it uses the first of the CPUs only.
        is_tail: Whether it is a tail of latencies in microseconds, which is compared by difference.
        needs: The field of Work that must not be empty; "" for none.
    """

    tool: str
    reader: str
    arguments: Callable[[Work], tuple[str, ...]]
    title: str
    unit: str
    better: str = HIGHER
    one_cpu: bool = False
    is_tail: bool = False
    needs: str = ""


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("sysbench", ("sysbench", "--version"), "sysbench", "sysbench"),
        Tool("stress-ng", ("stress-ng", "--version"), "stress-ng", "stress-ng"),
        Tool("perf", ("perf", "--version"), "linux-perf", "perf"),
        # It has no option of its own for its version, which the list of its options begins with.
        Tool("cyclictest", ("cyclictest", "--help"), "rt-tests", "realtime-tests"),
        Tool("fio", ("fio", "--version"), "fio", "fio"),
        Tool("iperf3", ("iperf3", "--version"), "iperf3", "iperf3"),
        Tool("make", ("make", "--version"), "make", "make"),
    )
}


def _sysbench_cpu(work: Work) -> tuple[str, ...]:
    return ("cpu", "--cpu-max-prime=20000", *_sysbench(work))


def _sysbench_memory(mode: str, operation: str) -> Callable[[Work], tuple[str, ...]]:
    def arguments(work: Work) -> tuple[str, ...]:
        access = (f"--memory-access-mode={mode}", f"--memory-oper={operation}", "--memory-total-size=100T")
        return ("memory", _BLOCK, *access, *_sysbench(work))

    return arguments


def _sysbench(work: Work) -> tuple[str, ...]:
    return f"--threads={len(work.cpus)}", f"--time={work.seconds}", "run"


def _matrix(work: Work) -> tuple[str, ...]:
    return (
        *("--matrix", str(len(work.cpus)), "--matrix-method", "prod"),
        *("--timeout", str(work.seconds), "--metrics-brief"),
    )


def _syscalls(work: Work) -> tuple[str, ...]:
    return "bench", "syscall", "basic", "--loop", str(work.seconds * _SYSCALLS)


def _switches(work: Work) -> tuple[str, ...]:
    return "bench", "sched", "pipe", "--loop", str(work.seconds * _SWITCHES)


def _wake_ups(work: Work) -> tuple[str, ...]:
    return (
        *("--quiet", "--mlockall", "--priority=95", "--threads=1", f"--affinity={work.cpus[0]}"),
        *(f"--interval={_INTERVAL}", f"--loops={work.seconds * _WAKE_UPS}", f"--histogram={_LONGEST_LATENCY}"),
    )


def _disk(*arguments: str) -> Callable[[Work], tuple[str, ...]]:
    def all_arguments(work: Work) -> tuple[str, ...]:
        return (
            *("--name=parity", f"--directory={work.disk}", "--size=256M", "--unlink=1", "--direct=1", "--time_based"),
            *(f"--runtime={work.seconds}", "--output-format=json", *arguments),
        )

    return all_arguments


def _network(work: Work) -> tuple[str, ...]:
    return "--client", work.server, "--time", str(work.seconds), "--json"


def _compile(work: Work) -> tuple[str, ...]:
    return f"--directory={work.source}", "--always-make", f"--jobs={len(work.cpus)}", "--silent"


KINDS: Mapping[str, Kind] = {
    "integer_one": Kind("sysbench", "sysbench_cpu", _sysbench_cpu, "integers, one CPU", "events/s", one_cpu=True),
    "integer_all": Kind("sysbench", "sysbench_cpu", _sysbench_cpu, "integers, all CPUs", "events/s"),
    "float_one": Kind("stress-ng", "stress_ng", _matrix, "floating point, one CPU", "ops/s", one_cpu=True),
    "float_all": Kind("stress-ng", "stress_ng", _matrix, "floating point, all CPUs", "ops/s"),
    "memory_bandwidth": Kind(
        "sysbench", "sysbench_memory", _sysbench_memory("seq", "write"), "memory, in sequence", "MiB/s"
    ),
    "memory_random": Kind(
        "sysbench", "sysbench_memory", _sysbench_memory("rnd", "read"), "memory, at random", "MiB/s", one_cpu=True
    ),
    "syscalls": Kind("perf", "perf_bench", _syscalls, "system calls", "calls/s", one_cpu=True),
    "context_switches": Kind("perf", "perf_bench", _switches, "context switches", "switches/s", one_cpu=True),
    "wake_up": Kind("cyclictest", "cyclictest", _wake_ups, "wake-up, p99.9", "µs", LOWER, one_cpu=True, is_tail=True),
    "disk_latency": Kind(
        *("fio", "fio_reads", _disk("--rw=randread", "--bs=4k", "--ioengine=psync")),
        *("disk, one read at a time", "reads/s"),
        one_cpu=True,
        needs="disk",
    ),
    "disk_bandwidth": Kind(
        *("fio", "fio_bytes", _disk("--rw=read", "--bs=1M", "--ioengine=libaio", "--iodepth=8")),
        *("disk, in sequence", "bytes/s"),
        needs="disk",
    ),
    "network": Kind("iperf3", "iperf3", _network, "network, one stream", "bits/s", needs="server"),
    "compile": Kind("make", "", _compile, "compilation", "s", LOWER, needs="source"),
}


def argv(name: str, work: Work) -> tuple[str, ...]:
    """Return the command of a run."""
    kind = KINDS[name]
    return (kind.tool, *kind.arguments(cpus_of(name, work)))


def cpus_of(name: str, work: Work) -> Work:
    """Return the work with the CPUs that a kind uses."""
    return work._replace(cpus=work.cpus[:1]) if KINDS[name].one_cpu else work
