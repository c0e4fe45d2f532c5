# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a machine that is a folder; ../README.md tells more."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = r"""
name: machine
short_description: A folder in place of a machine
description: Runs commands on this computer, but for those that have to do with a reboot.
author: The vfio.workstation contributors
extends_documentation_fragment:
  - connection_pipelining
options:
  folder:
    description: The folder.
    required: true
    vars:
      - name: stand_in_machine
  become_success_timeout:
    description: As that of the connection local, from ansible-core 2.19 on.
    type: int
    default: 10
  become_strip_preamble:
    description: As that of the connection local, from ansible-core 2.19 on.
    type: bool
    default: true
"""
SHUTDOWN = {"changed": False, "examined": 1, "matched": 1, "msg": "", "files": [{"path": "/sbin/shutdown"}]}


class Connection(Local):
    """The folder has `machine.json` and `boot_id`."""

    transport = "machine"

    def exec_command(self, cmd: Any, in_data: Any = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        folder = Path(self.get_option("folder"))
        state = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
        if state.get("unreachable"):
            raise AnsibleConnectionFailure(f"no route to {folder.name}")
        if "/random/boot_id" in cmd:
            return 0, (folder / "boot_id").read_bytes(), b""
        if "/vfio-workstation inspect" in cmd:
            known = folder / "answer.json"
            return (0, known.read_bytes(), b"") if known.exists() else (127, b"", b"not found")
        if "AnsiballZ_find" in cmd:  # the action reboot looks for its program: this computer may have none
            return 0, json.dumps(SHUTDOWN).encode(), b""
        if "AnsiballZ_command" in cmd:  # the only command of the roles: the trial is to wait for the controller
            state["awaited"] = state.get("reboots", 0)
            (folder / "machine.json").write_text(json.dumps(state), encoding="utf-8")
            return 0, json.dumps({"changed": True, "rc": 0, "stdout": "", "stderr": ""}).encode(), b""
        if "/sbin/shutdown" in cmd:
            reboot(folder, state)
            return 0, b"", b""
        done: tuple[int, bytes, bytes] = super().exec_command(f"STAND_IN_MACHINE='{folder}' {cmd}", in_data, sudoable)
        return done


def reboot(folder: Path, state: dict[str, Any]) -> None:
    """Have the running system show what the files say."""
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    if not state.get("stubborn"):
        state["running"] = state["files"]
    state["unreachable"] = bool(state.get("lost"))
    state["reboots"] = state.get("reboots", 0) + 1
    (folder / "machine.json").write_text(json.dumps(state), encoding="utf-8")
