# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A power cut at any moment of a change leaves a machine that boots, and a run that can be repeated."""

from __future__ import annotations

import pytest

from tests.integration.lab.power_cuts import Bench, cuts
from tests.lab import Lab

# A cut takes minutes in emulation: `make test-power` has as many as are wanted.
pytestmark = [pytest.mark.lab]


def test_three_cuts(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        bench = Bench(machine)
        bench.prepare()
        assert len([print(cut) for cut in cuts(bench, 3, seed=3)]) == 3
