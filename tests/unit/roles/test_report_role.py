# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of several hosts, as ansible-playbook prints them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._report import report_lines
from tests.machines import build

HOSTS = 8


def test_the_lines_of_hosts_are_not_mixed(tmp_path: Path) -> None:
    root = build("virtual-functions", tmp_path / "root")
    inventory = tmp_path / "inventory"
    inventory.write_text("".join(f"host{number}\n" for number in range(HOSTS)), encoding="ascii")
    variables = f"ansible_connection=local ansible_python_interpreter={sys.executable} report_root={root}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "-f", str(HOSTS), "-e", variables),
            "vfio.workstation.report",
        ],
        env={**os.environ, "COLUMNS": "80", "ANSIBLE_FORCE_COLOR": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reading = to_json(probe(root))
    for number in range(HOSTS):
        assert "\n".join(report_lines(reading, f"host{number}")) in done.stdout
