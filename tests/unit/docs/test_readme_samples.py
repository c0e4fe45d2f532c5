# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The output that README shows is the output that the collection prints for the request in README."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Reading, to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_states import (
    CommandLines,
    Observed,
    request_states,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._text.tables import request_table
from ansible_collections.vfio.workstation.plugins.plugin_utils._report import report_lines
from tests.machines import build

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", README, re.MULTILINE)]
#: The drivers of a host that nobody has provisioned yet.
DRIVERS = {"0000:01:00.0": "amdgpu", "0000:01:00.1": "snd_hda_intel"}


def block(start: str) -> str:
    """Return the only indented block of README that begins so."""
    (text,) = [text for text in BLOCKS if text.startswith(start)]
    return text


@pytest.fixture(name="desktop")
def fixture_desktop(tmp_path: Path) -> Reading:
    """Return the reading of a desktop before it is provisioned."""
    reading = probe(str(build("intel-desktop", tmp_path / "desktop")))
    fresh = {
        address: reading.host.pci[address]._replace(driver=driver, in_use_by=()) for address, driver in DRIVERS.items()
    }
    return reading._replace(host=reading.host._replace(pci={**reading.host.pci, **fresh}))


def test_the_report_is_what_is_printed(desktop: Reading) -> None:
    printed = iter(report_lines(to_json(desktop), "localhost"))
    sample = [line for line in block("localhost: debian").splitlines() if line != "  ..."]
    assert len(sample) >= 6
    # `in` consumes the iterator: the lines must be in this order.
    assert all(line in printed for line in sample)


def test_the_table_is_what_is_printed(desktop: Reading) -> None:
    variables = yaml.safe_load(block("workstation_devices:"))
    desired = parse_desired({name.removeprefix("workstation_"): value for name, value in variables.items()})
    assert isinstance(desired, Desired)
    plan = plan_host(desktop.host, desired, HostRecord())
    assert isinstance(plan, HostPlan)
    entry = " ".join(unit for units in plan.arguments.values() for unit in units)
    observed = Observed(CommandLines(True, {}, (entry,), "ro"), {}, {})
    states = [state._asdict() for state in request_states(desktop.host, desired, plan, observed)]
    result = {
        "states": {"configured": True, "staged": True, "active": False},
        "requests": states,
        "reboot_required": True,
        "refusals": [],
        "notes": list(plan.notes),
    }
    assert block("localhost: configured").splitlines() == request_table({"localhost": result})
