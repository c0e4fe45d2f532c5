# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values in the output of benchmarks: recorded from the real tools, of a tool that is run, and in any text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import Work
from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import KINDS, argv
from ansible_collections.vfio.workstation.plugins.module_utils._probe.benchmarks import READERS, read_value

RECORDED = Path(__file__).resolve().parents[4] / "fixtures" / "benchmarks"
#: Read in the files by eye.
VALUES = {
    "integer_one": 145.15,
    "integer_all": 202.9,
    "float_one": 124.15,
    "float_all": 95.74,
    "memory_bandwidth": 930.02,
    "memory_random": 41.34,
    "syscalls": 1571679.0,
    "context_switches": 130724.0,
    "wake_up": 348.0,
    "disk_latency": 3145.56331,
    "disk_bandwidth": 1934225848.0,
    "network": 3917125742.6464934,
}


@pytest.mark.parametrize("kind", VALUES)
def test_the_value_is_read_from_the_output_of_the_tool(kind: str) -> None:
    output = (RECORDED / f"{kind}.txt").read_text(encoding="utf-8")
    assert read_value(KINDS[kind].reader, output) == pytest.approx(VALUES[kind])


def test_every_kind_has_a_recording_and_every_reader_a_kind() -> None:
    assert list(VALUES) == [name for name, kind in KINDS.items() if kind.reader]
    assert {kind.reader for kind in KINDS.values()} - {""} == set(READERS)


@pytest.mark.parametrize("kind", ["integer_one", "memory_random", "float_one", "wake_up"])
def test_the_tool_of_this_computer_is_understood(kind: str) -> None:
    work = Work((0,), 1)
    done = subprocess.run(
        argv(kind, work),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert read_value(KINDS[kind].reader, done.stdout) is not None, done.stdout


def histogram(counts: dict[int, int], overflows: int = 0, longest: int = 9999) -> str:
    lines = [f"{latency:06d} {count:06d}" for latency, count in counts.items()]
    return "\n".join(
        ["# Histogram", *lines, f"# Max Latencies: {longest:05d}", f"# Histogram Overflows: {overflows:05d}"]
    )


def test_the_tail_is_what_one_in_a_thousand_exceeds() -> None:
    assert read_value("cyclictest", histogram({3: 998, 4: 1, 90: 1})) == 4.0
    assert read_value("cyclictest", histogram({3: 998, 90: 2})) == 90.0
    assert read_value("cyclictest", histogram({0: 1000})) == 1.0


def test_a_tail_beyond_the_histogram_is_the_longest_latency() -> None:
    assert read_value("cyclictest", histogram({3: 998}, overflows=2, longest=7000)) == 7000.0
    assert read_value("cyclictest", histogram({3: 9999}, overflows=1, longest=7000)) == 3.0


@pytest.mark.parametrize("reader", READERS)
@given(output=st.text())
def test_text_without_a_value_is_none(reader: str, output: str) -> None:
    value = read_value(reader, output)
    assert value is None or value > 0


@pytest.mark.parametrize(
    ("reader", "output"),
    [
        ("sysbench_cpu", "events per second: 0.00"),
        ("sysbench_cpu", "events per second: 1.2.3"),
        ("fio_reads", '{"jobs": []}'),
        ("fio_reads", '{"jobs": [{"read": {"iops": true}}]}'),
        ("fio_reads", "fio: failed\n{" + '"jobs": {}}'),
        ("iperf3", '{"error": "unable to connect to server"}'),
        ("iperf3", "{" * 100_000),
        ("cyclictest", "000001 000000\n# Max Latencies: 00000"),
        ("cyclictest", "000001 000007"),
    ],
)
def test_no_value_is_made_up(reader: str, output: str) -> None:
    assert read_value(reader, output) is None
