# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of roles matches what they do, and the examples of their variables work on described machines."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._variables import ROLES as VARIABLES
from tests.machines import build

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir())
README = (ROLES / "workstation" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n# machine: (\S+)\n(.*?)```", README, re.DOTALL)


def read(role: str, path: str) -> Any:
    return yaml.safe_load((ROLES / role / path).read_text(encoding="utf-8")) or {}


def options(role: str) -> dict[str, Any]:
    variables: dict[str, Any] = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return variables


def tasks(role: str) -> list[dict[str, Any]]:
    files = (ROLES / role / "tasks").glob("*.yml")
    return [task for path in files for task in yaml.safe_load(path.read_text(encoding="utf-8"))]


def module_of(role: str) -> str:
    return f"vfio.workstation.{VARIABLES[role].module}"


@pytest.mark.parametrize("role", NAMES)
def test_each_variable_has_a_default_and_is_documented(role: str) -> None:
    defaults = read(role, "defaults/main.yml")
    assert {name: option.get("default") for name, option in options(role).items()} == defaults
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in defaults)
    assert all(name.startswith(f"{role}_") for name in defaults)


@pytest.mark.parametrize("role", [name for name in NAMES if name not in ("parity", "report", "preflight")])
def test_a_role_is_one_call_as_root(role: str) -> None:
    (call,) = [task for task in tasks(role) if module_of(role) in task]
    assert call["become"] is True
    assert call["register"] == f"{role}_result"


@pytest.mark.parametrize("role", [name for name in NAMES if name not in ("parity", "report", "preflight")])
def test_null_is_omitted_from_the_call(role: str) -> None:
    """ansible-core 2.18 makes an empty text of an expression whose result is none."""
    (call,) = [task for task in tasks(role) if module_of(role) in task]
    expressions = [str(value) for value in call[module_of(role)].values()]
    nullable = [name for name, default in read(role, "defaults/main.yml").items() if default is None]
    passed = [(name, text) for name in nullable for text in expressions if text.startswith(f"{{{{ {name} ")]
    assert [name for name, text in passed if f"{name} is not none" not in text or " else omit }}" not in text] == []
    assert len(passed) == len(nullable) or role == "cpu_isolation"  # whose variables are the values of one mapping


def test_there_are_five_examples_and_the_first_is_in_the_readme() -> None:
    assert len(EXAMPLES) == 5
    text = (ROLES.parent / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^    workstation_devices:\n(?:    .*\n)+", text, re.MULTILINE)
    assert yaml.safe_load(textwrap.dedent(block)) == yaml.safe_load(EXAMPLES[0][1])


@pytest.mark.parametrize(("machine", "text"), EXAMPLES)
def test_an_example_can_be_planned_for_its_machine(machine: str, text: str, tmp_path: Path) -> None:
    variables = yaml.safe_load(text)
    assert set(variables) <= set(options("workstation"))
    sections = {name.removeprefix("workstation_"): value for name, value in variables.items()}
    desired = parse_desired(sections)
    assert not isinstance(desired, list), desired
    plan = plan_host(probe(str(build(machine, tmp_path / machine))).host, desired, HostRecord())
    assert isinstance(plan, HostPlan), plan
    assert plan.bindings
