# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the scenario.

The files of tests are numbered, since each finds the machines as the one before it left them: provisioned, refused
beside that, rolled back.
"""

from __future__ import annotations

import pytest

from tests.containers.provisioned import PROVISIONED, Played, play


@pytest.fixture(name="machine", params=PROVISIONED)
def fixture_machine(request: pytest.FixtureRequest) -> str:
    """The name of each machine that can be provisioned."""
    return str(request.param)


@pytest.fixture(name="all_at_once", scope="session")
def fixture_all_at_once() -> Played:
    """A run on all machines: some are provisioned already, the others are refused."""
    return play("provision", "-vvv")
