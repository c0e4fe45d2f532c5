# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module guests, run by ansible-playbook on this computer, with the module guest and a real daemon of libvirt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.test_guest_run import FOREIGN


def rows(directory: Path, check: bool, **options: Any) -> list[dict[str, Any]]:
    """Return the rows that the module returns."""
    result = directory / "rows.json"
    tasks = [
        {"vfio.workstation.guests": options, "register": "it", "failed_when": False},
        {"ansible.builtin.copy": {"content": "{{ it.guests | to_json }}", "dest": str(result)}, "check_mode": False},
    ]
    variables = {"ansible_become": False, "ansible_python_interpreter": sys.executable}
    content = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    path = directory / "playbook.yml"
    path.write_text(yaml.safe_dump([content]), "utf-8")
    line = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(path)]
    environment = {**os.environ, "ANSIBLE_HOME": str(directory / "home")}
    words = [*line, "--check"] if check else line
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout
    value: list[dict[str, Any]] = json.loads(result.read_text("utf-8"))
    return value


def test_one_that_is_refused_and_a_foreign_one(tmp_path: Path, libvirt: Libvirt) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    before = libvirt.definition("theirs")
    wanted = {"name": "mine", "os": "linux", "devices": ["gpu"], "network": "none", "type": "qemu", "uri": libvirt.uri}
    mine, theirs = rows(tmp_path, True, guests=[wanted, {"name": "theirs", "state": "absent", "uri": libvirt.uri}])
    assert (mine["failed"], mine["now"]) == (True, "refused: device_not_provisioned, guest_cpus_exceed_plan")
    assert (theirs["failed"], theirs["due"], theirs["now"]) == (False, False, "not managed")
    assert theirs["uuid"] == libvirt.virsh("domuuid", "theirs").strip()
    assert libvirt.definition("theirs") == before
