# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of the module and the argument specs of the roles match the specification of the options.

The tables of request_spec.py are the specification. The module's documentation, with its fragments, and the
roles' argument specs are copies with descriptions, compared here key by key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.guest_spec import GUEST
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_selector import CLASSES, VENDORS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import (
    HOST,
    SECTION_OPTIONS,
    SELECT,
    Option,
    argument_spec,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._variables import (
    PLAYBOOK_VARIABLES,
    RESERVED_PREFIXES,
    RESULTS,
    ROLES,
)
from ansible_collections.vfio.workstation.tests.unit.documentation import documentation

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED: dict[str, Any] = documentation("host")["options"]
KEYS = ("type", "elements", "required", "choices", "default")


def role_options(role: str) -> dict[str, Any]:
    spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text("utf-8"))
    options: dict[str, Any] = spec["argument_specs"]["main"]["options"]
    return options


def flat(options: Mapping[str, Any], inner: str, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all options and suboptions, which are under the key `inner`, with their paths."""
    for name, option in options.items():
        yield path + name, option
        yield from flat(option.get(inner, {}), inner, f"{path}{name}.")


def without_descriptions(options: Mapping[str, Any], inner: str) -> dict[str, dict[str, Any]]:
    return {path: {key: option[key] for key in KEYS if key in option} for path, option in flat(options, inner)}


MODULES: Mapping[str, Mapping[str, Option]] = {"host": HOST, "guest": GUEST}


def option_at(path: str, module: str = "host") -> Option:
    first, *rest = path.split(".")
    option = MODULES[module][first]
    for name in rest:
        option = option.options[name]
    return option


def documentation_at(path: str, module: str = "host") -> dict[str, Any]:
    option: dict[str, Any] = dict(flat(documentation(module)["options"], "suboptions"))[path]
    return option


def role_spec(option: Option) -> dict[str, Any]:
    """Return a variable's specification in a role, without what Ansible would enforce."""
    (spec,) = argument_spec({"it": option._replace(choices=(), elements=None, required=False)}).values()
    return {**spec, "type": spec["type"] if spec["type"] in ("str", "path") else "raw"}


@pytest.mark.parametrize(("module", "options"), MODULES.items())
def test_the_documentation_of_a_module_is_the_specification(module: str, options: Mapping[str, Option]) -> None:
    documented = documentation(module)["options"]
    assert without_descriptions(documented, "suboptions") == without_descriptions(argument_spec(options), "options")


@pytest.mark.parametrize("role", ROLES)
def test_the_argument_spec_of_a_role_is_the_specification(role: str) -> None:
    module = ROLES[role].module
    expected = {variable: role_spec(option_at(path, module)) for variable, path in ROLES[role].options.items()}
    expected.update({variable: role_spec(option) for variable, option in ROLES[role].own.items()})
    assert without_descriptions(role_options(role), "options") == without_descriptions(expected, "options")


def test_every_role_is_in_the_table() -> None:
    assert {path.name for path in (ROOT / "roles").iterdir()} == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_ansible_enforces_no_type_of_a_variable(role: str) -> None:
    """The module names all mistakes at once; Ansible would print the whole argument spec for the first."""
    for option in role_options(role).values():
        assert not {"elements", "choices", "required"} & set(option)
        assert option["type"] in ("raw", "str", "path")  # the last two take any value


@pytest.mark.parametrize("module", MODULES)
def test_every_option_has_a_description(module: str) -> None:
    documented = documentation(module)["options"]
    assert [path for path, option in flat(documented, "suboptions") if not text(option)] == []


def text(option: Mapping[str, Any]) -> str:
    description = option.get("description") or ""
    return description if isinstance(description, str) else " ".join(description)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_describes_an_option_as_the_module_does(role: str) -> None:
    described = dict(flat(role_options(role), "options"))
    assert all(text(option) for option in described.values())
    for variable, path in ROLES[role].options.items():
        if path == "state":  # a role's other sections are not concerned
            continue
        documented = documentation_at(path, ROLES[role].module)
        assert text(described[variable]) == text(documented)
        for below, option in flat(documented.get("suboptions", {}), "suboptions", f"{variable}."):
            assert text(described[below]) == text(option)


def test_sections_are_the_same_everywhere() -> None:
    assert tuple(SECTION_OPTIONS) == SECTIONS
    assert HOST["sections"].choices == SECTIONS


def test_every_property_of_a_selection_is_documented() -> None:
    select = documentation_at("devices.select")
    assert "V(0000:41:00.0) may be written instead of the mapping" in text(select)
    assert set(select["suboptions"]) == set(SELECT)
    assert set(re.findall(r"V\(([a-z]+)\)", text(select["suboptions"]["class"]))) == set(CLASSES)
    assert set(re.findall(r"V\(([a-z]+)\)", text(select["suboptions"]["vendor"]))) == set(VENDORS)


def test_every_variable_that_roles_and_playbooks_use_is_known() -> None:
    """A variable that is missing in the table would be called unknown wherever a user sets it."""
    known = {*PLAYBOOK_VARIABLES, *RESULTS, *(name for role in ROLES.values() for name in role.names)}
    groups = {"workstation_reboot_ask", "workstation_reboot_when_required"}
    prefixes = "|".join((*RESERVED_PREFIXES, "preflight_", "report_", "verify_"))
    filters = {"report_lines"}
    used = {
        match
        for path in (*ROOT.glob("roles/*/[!m]*/*.yml"), *ROOT.glob("playbooks/*.yml"))
        for match in re.findall(rf"(?<![\w.])(?:{prefixes})\w*[a-z]", path.read_text("utf-8"))
    }
    assert used - groups - filters - known == set()
    assert used >= {"workstation_hosts", "verify_allow_nothing", "preflight_fail", "workstation_result"}
