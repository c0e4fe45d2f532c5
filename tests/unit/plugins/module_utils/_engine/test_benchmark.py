# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measurements on this computer."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.benchmark import (
    MeasurementFailed,
    Request,
    available_cpus,
    measure,
    pinned_cpus,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.benchmark import GuestProcess, Work
from ansible_collections.vfio.workstation.plugins.module_utils._plan.benchmarks import TOOLS

CPUS = available_cpus()


def test_runs_and_what_the_kernel_counted_meanwhile() -> None:
    measurement = measure(Request("integer_one", Work(CPUS, 1), runs=2))
    assert len(measurement.samples) == 2
    assert all(sample.value > 0 and sample.seconds >= 1 for sample in measurement.samples)
    assert measurement.after.at - measurement.before.at >= 2
    assert sum(measurement.after.cpu.values()) > sum(measurement.before.cpu.values())
    assert measurement.tools == {}


def test_without_a_kind_the_conditions_and_the_versions() -> None:
    measurement = measure(Request("", Work((), 1)))
    assert measurement.samples == ()
    assert measurement.cpus == CPUS
    assert set(measurement.tools) == set(TOOLS)
    assert "sysbench" in (measurement.tools["sysbench"] or "")
    assert (measurement.tools["cyclictest"] or "").startswith("cyclictest V ")
    assert measurement.conditions["kernel"]


def test_a_benchmark_that_fails_says_why() -> None:
    with pytest.raises(MeasurementFailed, match=r"make .*exit status 2"):
        measure(Request("compile", Work(CPUS, 1, source="/dev")))


@pytest.mark.parametrize(
    ("vcpus", "expected"),
    [(("3", "2"), (2, 3)), (("2", "0-7"), ()), ((), ()), (("2", ""), ())],
)
def test_the_cpus_of_a_guest_are_those_that_its_vcpus_are_pinned_to(
    vcpus: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    assert pinned_cpus(GuestProcess(vcpus, {}, {}, True)) == expected
    assert pinned_cpus(None) == ()
