# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a forge reads: its tests are those of the Makefile, and its forms ask for what exists."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
FORGE = ROOT / ".github"


def test_a_forge_runs_the_parts_of_make_test() -> None:
    (parts,) = re.findall(r"^TEST_PARTS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    workflow = yaml.safe_load((FORGE / "workflows/test.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["part"] == parts.split()


def test_forms_name_playbooks_that_exist() -> None:
    named = {
        name
        for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml")
        for name in re.findall(r"ansible-playbook vfio\.workstation\.(\w+)", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= {path.stem for path in (ROOT / "playbooks").glob("*.yml")}


def test_the_template_of_changes_names_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make ([\w-]+)`", (FORGE / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
