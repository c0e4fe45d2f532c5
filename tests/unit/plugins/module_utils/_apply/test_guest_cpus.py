# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservation of CPUs while guests run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.guest_cpus import GuestCpus
from ansible_collections.vfio.workstation.plugins.module_utils._plan.isolation import UNIT_FILE


class Units:
    """Stands for systemctl."""

    def __init__(self, *, fail: bool = False) -> None:
        self.calls: list[str] = []
        self._fail = fail

    def run(self, argv: Sequence[str], _limit: float) -> None:
        self.calls.append(argv[1])
        if self._fail:
            raise ToolFailed("no")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / UNIT_FILE[1:]
    path.parent.mkdir(parents=True)
    path.write_text("")
    return tmp_path


def test_the_last_guest_returns_the_cpus(root: Path) -> None:
    units = Units()
    cpus = GuestCpus(str(root), units.run)
    cpus.hold("a")
    cpus.hold("b/..")
    cpus.release("a")
    assert units.calls == ["start", "start"]
    cpus.release("b/..")
    cpus.release("b/..")
    assert units.calls == ["start", "start", "stop"]


def test_a_guest_whose_process_is_gone(root: Path) -> None:
    """Without a process it counts for some minutes, as it may be starting; with one, for ever."""
    units = Units()
    cpus = GuestCpus(str(root), units.run)
    cpus.hold("a")
    cpus.hold("gone")
    cpus.hold("runs")
    process = root / "proc" / "7"
    process.mkdir(parents=True)
    (process / "cmdline").write_bytes(b"qemu\0-name\0guest=runs,debug-threads=on\0")
    cpus.release("a")
    assert len(list((root / "run/vfio-workstation/guests").iterdir())) == 3 - 1
    for entry in (root / "run/vfio-workstation/guests").iterdir():
        os.utime(entry, (0, 0))
    cpus.release("a")
    assert len(list((root / "run/vfio-workstation/guests").iterdir())) == 1
    assert "stop" not in units.calls
    (process / "cmdline").unlink()
    cpus.release("a")
    assert units.calls[-1] == "stop"


def test_a_host_without_the_unit(tmp_path: Path) -> None:
    units = Units()
    cpus = GuestCpus(str(tmp_path), units.run)
    cpus.hold("a")
    cpus.release("a")
    assert units.calls == []
    assert list(tmp_path.iterdir()) == []


def test_a_unit_that_fails_stops_no_guest(root: Path) -> None:
    units = Units(fail=True)
    GuestCpus(str(root), units.run).hold("a")
    assert units.calls == ["start"]
