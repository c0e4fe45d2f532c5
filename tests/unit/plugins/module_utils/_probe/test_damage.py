# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With damaged files the probe neither fails, nor hangs, nor returns values without evidence."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.tests.damage import Damage, Specimen, damages, lies
from ansible_collections.vfio.workstation.tests.damage.harm import MARKS
from ansible_collections.vfio.workstation.tests.readers.contract import violations

#: Small machines with everything that the probe reads: guests, stacked storage, hybrid CPUs, platform devices, claims.
_MACHINES = (
    *("amd-desktop", "arm-board", "hand-made-passthrough", "hybrid-laptop", "intel-server-apicv", "kvm-guest"),
    "storage-stacks",
)
_QUICK = 50
_SLOW_BATCHES = 20
_SLOW = 1000
#: In seconds: only a reading that waits forever takes this long.
_HANGS_AFTER = 60


@pytest.fixture(scope="module", params=_MACHINES)
def specimen(request: pytest.FixtureRequest) -> Iterator[Specimen]:
    """Return a machine to be damaged, in memory if /dev/shm exists."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="damage-", dir=memory) as folder:
        yield Specimen(request.param, Path(folder), probe)


def _examine(specimen: Specimen, count: int, number: int) -> None:
    before = _read(specimen)
    assert violations(before) == []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(damages())
    def holds(injuries: list[Damage]) -> None:
        with specimen.damaged(injuries) as done:
            after = _read(specimen)
        assert violations(after) == []
        assert not [mark for mark in MARKS if mark in json.dumps(after)], (
            "the reading has content from outside the root"
        )
        assert lies(before["host"], after["host"], done) == []

    holds()
    assert _read(specimen) == before, "damage that was not undone would affect later examples"


def _read(specimen: Specimen) -> dict[str, Any]:
    with _alarm():
        reading: dict[str, Any] = to_json(probe(str(specimen.root)))
    return reading


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """Fail with a traceback if the reading hangs; this is not a test of speed."""

    def hangs(_signal: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback(file=sys.__stderr__)
        raise AssertionError(f"the probe hangs: no result within {_HANGS_AFTER} seconds")

    previous = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(_HANGS_AFTER)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def test_damage_causes_no_failure_and_no_invented_value(specimen: Specimen) -> None:
    _examine(specimen, _QUICK, 0)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(1, _SLOW_BATCHES + 1))
def test_twenty_thousand_damaged_trees(specimen: Specimen, batch: int) -> None:
    _examine(specimen, _SLOW // len(_MACHINES) + 1, batch)
