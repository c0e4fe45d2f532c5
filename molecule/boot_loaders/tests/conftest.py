# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the scenario, each with what converge did taken out again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.containers.boot_machine import INVENTORY, BootMachine

RUN = Path(os.environ["VFIO_RUN"])


class MachineByMachine(LoadScopeScheduling):
    """Machines are tested side by side, and the tests of each run one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        return max((name for name in INVENTORY if f"[{name}" in nodeid), key=len)


def pytest_xdist_make_scheduler(config: pytest.Config) -> MachineByMachine:
    """Return who hands out the tests."""
    return MachineByMachine(config)


@pytest.fixture(scope="session", params=list(INVENTORY))
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BootMachine:
    """A machine with what converge did taken out again."""
    found = BootMachine(RUN, request.param)
    found.carry(tmp_path_factory.mktemp(found.name) / "payload")
    found.apply(owner="converge", state="absent")
    found.keep()
    return found


@pytest.fixture
def host(machine: BootMachine) -> Iterator[BootMachine]:
    """The machine; it must be as it was when the test ends, to the byte."""
    before = machine.tree()
    yield machine
    if machine.tree() != before:
        for owner in ("iommu", "hugepages", "other"):
            machine.call(owner=owner, state="absent")
    after = machine.tree()
    unlike = {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)}
    if unlike:
        machine.put_back(sorted(unlike))
    assert unlike == {}
