# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role guest, run by ansible-playbook on this computer, with a real daemon of libvirt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.test_guest_run import FOREIGN


def play(directory: Path, *tasks: dict[str, Any], **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook with the role, and then the tasks."""
    content = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_become": False, "ansible_python_interpreter": sys.executable},
        "roles": [{"role": "vfio.workstation.guest", "vars": variables}],
        "tasks": list(tasks),
    }
    path = directory / "playbook.yml"
    path.write_text(yaml.safe_dump([content]), "utf-8")
    line = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(path)]
    environment = {**os.environ, "ANSIBLE_HOME": str(directory / "home"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "500"}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=300)


def test_mistakes_name_the_variables(tmp_path: Path) -> None:
    done = play(tmp_path, guest_memory=16, guest_disk={"path": "a"}, guest_ios="linux")
    assert done.returncode != 0
    for start in (
        "guest_ios: unknown variable. Did you mean guest_isos",
        "guest_memory: found 16",
        "guest_disk.path: found",
    ):
        assert start in done.stdout + done.stderr, done.stdout
    assert "guest_name: found None" in done.stdout + done.stderr


def test_it_passes_on_what_is_set_and_registers_the_result(tmp_path: Path, libvirt: Libvirt) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    check = {"ansible.builtin.assert": {"that": ["guest_result.notes | length == 1", "guest_result is not changed"]}}
    done = play(tmp_path, check, guest_name="theirs", guest_state="absent", guest_uri=libvirt.uri)
    assert done.returncode == 0, done.stdout
