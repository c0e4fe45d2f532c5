# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans and refusals for each GPU of the captured machines, as in `plans/*.yml`.

`plans/described/*.yml` has plans for some of the described machines (tests/machines). These files are reviewed and
changed by hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import (
    NO_CONTEXT,
    HostContext,
    HostPlan,
    HostRecord,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import MoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.notation import numbers_text
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._probe.host_context import read_host_context
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines import build

_PLANS = Path(__file__).parent / "plans"
_DESCRIBED = _PLANS / "described"
_ADDRESS = re.compile(r"\b[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b")


def _expected(captured: Path) -> list[dict[str, Any]]:
    # pytest appends a number to the name of a folder
    (path,) = (path for path in _PLANS.glob("*.yml") if re.fullmatch(re.escape(path.stem) + "[0-9]", captured.name))
    return _cases(path)


def _cases(path: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content["about"]
    assert content["cases"]
    cases: list[dict[str, Any]] = content["cases"]
    return cases


def _planned(
    host: Machine, request: dict[str, Any], context: HostContext = NO_CONTEXT, *, replace: bool = False
) -> dict[str, Any]:
    """Return the plan or the refusals for a request, in the format of the files."""
    desired = parse_desired(request)
    assert isinstance(desired, Desired), desired
    plan = plan_host(host, desired, HostRecord(), context, replace)
    if not isinstance(plan, HostPlan):
        return {"refused": [{refusal.code: list(dict.fromkeys(_ADDRESS.findall(refusal.seen)))} for refusal in plan]}
    planned: dict[str, Any] = {"arguments": to_json(plan.arguments)}
    if plan.bindings:
        planned["bound"] = [binding.address for binding in plan.bindings]
    if plan.cpus:
        planned["guests"], planned["why"] = numbers_text(plan.cpus.guests), plan.cpus.reason
    if plan.hugepages and plan.hugepages.runtime:
        planned["runtime"] = [to_json(pool) for pool in plan.hugepages.runtime]
    if plan.foreign:
        planned["set_aside"] = {step.path: step.content for step in plan.foreign if isinstance(step, WriteFile)}
        planned["set_aside"].update((step.path, step.to) for step in plan.foreign if isinstance(step, MoveFile))
    return planned


@pytest.fixture(scope="session")
def host(captured: Path) -> Machine:
    """Return the machine."""
    return probe(str(captured)).host


def test_as_reviewed(captured: Path, host: Machine) -> None:
    for case in _expected(captured):
        request = case.pop("request")
        assert _planned(host, request) == case, request


def test_every_gpu_is_in_the_review(captured: Path, host: Machine) -> None:
    gpus = {address for address, function in host.pci.items() if (function.class_ or "").startswith("03")}
    devices = [device for case in _expected(captured) for device in case["request"].get("devices", [])]
    assert gpus <= {device["select"].get("address") for device in devices}


def test_every_processor_is_in_the_review(captured: Path, host: Machine) -> None:
    assert bool(host.cpus.cores) == any("cpu_isolation" in case["request"] for case in _expected(captured))


@pytest.mark.parametrize("path", sorted(_DESCRIBED.glob("*.yml")), ids=lambda path: str(path.stem))
def test_described_machines(path: Path, tmp_path: Path) -> None:
    root = build(path.stem, tmp_path)
    host, context = probe(root).host, read_host_context(Tree(root), ())
    for case in _cases(path):
        request, replace = case.pop("request"), case.pop("conflicts", None) == "replace"
        assert _planned(host, request, context, replace=replace) == case, request
