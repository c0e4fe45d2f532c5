# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of the virtual workstation for the tests in this folder; each is switched off and removed at its end."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.lab import Lab, Machine  # the checkout's own package, which the line above makes importable


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab over the checkout's cache, rid of what killed runs left."""
    result = Lab()
    result.sweep()
    return result


@pytest.fixture(scope="session")
def machine(lab: Lab, request: pytest.FixtureRequest) -> typing.Iterator[Machine]:
    """The machine that the parameter names, up; tests that name the same one share it."""
    with lab.machine(request.param) as result:
        result.start()
        result.wait_for_ssh()
        yield result


@pytest.fixture(scope="session")
def facts(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, typing.Any]:
    """What host_info says of it, asked by Ansible over ssh as a user would."""
    inventory = tmp_path_factory.mktemp("ansible") / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"lab": machine.inventory()}}}), encoding="utf-8")
    module = "vfio.workstation.host_info"
    argv = [sys.executable, "-m", "ansible", "adhoc", "lab", "--inventory", str(inventory), "--module-name", module]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # lab | SUCCESS => {...}
    result: dict[str, typing.Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return result
