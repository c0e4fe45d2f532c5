# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The groups for module_defaults: their members share options, and the documentation of modules names them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.vfio.workstation.tests.unit.documentation import documentation

ROOT = Path(__file__).resolve().parents[4]
GROUPS: dict[str, list[str]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text("utf-8"))["action_groups"]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
# What makes a group useful; `all` is for defaults of a play in which only some of the modules are used.
SHARED = {"boot": {"accept", "conflicts", "root"}, "capture": {"root"}, "all": set()}


def test_all_has_all_modules() -> None:
    assert GROUPS["all"] == MODULES


@pytest.mark.parametrize("group", GROUPS)
def test_the_modules_of_a_group_share_its_options(group: str) -> None:
    assert all(SHARED[group] <= set(documentation(module)["options"]) for module in GROUPS[group])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_documents_its_groups(module: str) -> None:
    attribute = documentation(module)["attributes"]["action_group"]
    groups = [f"vfio.workstation.{group}" for group, members in GROUPS.items() if module in members]
    assert (attribute["support"], attribute["membership"]) == ("full", groups)
