# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: what ansible-builder finds out from the collection, and the context that it creates."""

from __future__ import annotations

from pathlib import Path

import yaml

from .test_build import BIN, ROOT, run

DEFINITION = ROOT / "docs" / "execution-environment.yml"


def test_ansible_builder_finds_what_the_collection_needs(tmp_path: Path) -> None:
    folder = tmp_path / "ansible_collections" / "vfio"
    folder.mkdir(parents=True)
    (folder / "workstation").symlink_to(ROOT)
    python, system = tmp_path / "python.txt", tmp_path / "system.txt"
    run(BIN / "ansible-builder", "introspect", tmp_path, "--write-pip", python, "--write-bindep", system)
    assert [line.split("#")[0].strip() for line in python.read_text().splitlines()] == ["jmespath>=1.0,<2"]
    packages = [line.split("#")[0].strip() for line in system.read_text().splitlines()]
    assert packages == ["openssh-client [platform:dpkg]", "openssh-clients [platform:rpm]", "tzdata"]


def test_the_documented_definition_has_a_context(tmp_path: Path) -> None:
    run(BIN / "ansible-builder", "create", "--file", DEFINITION, "--context", tmp_path / "context")
    requirements = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text())
    assert requirements == {"collections": [{"name": "vfio.workstation"}]}
    steps = (tmp_path / "context/Containerfile").read_text()
    assert "ansible-core>=2.18" in steps
    assert "ansible-galaxy collection install" in steps
