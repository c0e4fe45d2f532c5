# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A power cut at any moment of a change leaves a machine that boots, and a run that can be repeated."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.integration.lab.power_cuts import Bench, cuts
from tests.lab import Lab
from tests.power.changes import CHANGES
from tests.power.layouts import LAYOUTS
from tests.power.record import record
from tests.power.survey import Survey

# `make test-power` has as many cuts as are wanted, and other disks.
pytestmark = [pytest.mark.lab]


def test_each_write_of_a_change(lab: Lab) -> None:
    layout = LAYOUTS["ext4"]
    changes = {name: CHANGES[name] for name in layout.changes}
    lab.runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.runs) as folder:
        recording = record(lab, layout, changes, Path(folder))
        coverage = Survey(recording, samples=2, seed=1).run()
        print(coverage)
        assert not coverage.faults, "\n".join(map(str, coverage.faults[:10]))
        # Two calls in either direction, each with a state before it and one after it.
        assert len(coverage.kinds) >= 4
        assert coverage.boundaries > 300
        assert coverage.flushes > 50


def test_one_cut_of_a_running_machine(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        bench = Bench(machine)
        bench.prepare()
        assert len([print(cut) for cut in cuts(bench, 1, seed=3)]) == 1
