# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the module host: a machine is a folder; README.md tells more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

SECTIONS = ("iommu", "devices", "hugepages", "cpu_isolation", "access", "kvm", "arguments", "memory_for_host")
# What of the real module's argument spec the roles rely on.
ARGUMENTS: dict[str, dict[str, Any]] = {
    **{name: {"type": "raw"} for name in (*SECTIONS, "accept")},
    "trial": {"type": "raw"},
    "trial_timeout": {"type": "raw"},
    "conflicts": {"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
    "local_command": {"type": "raw", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "sections": {"type": "list", "elements": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder = Path(os.environ["STAND_IN_MACHINE"])
    with (folder / "calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps({"check": module.check_mode, **module.params}) + "\n")
    machine = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    if machine.get("fails"):
        module.fail_json(msg=machine["fails"])
    asked = [name for name in SECTIONS if module.params[name] is not None]
    if module.params["state"] == "absent" and asked:
        module.fail_json(msg=f"state: absent takes sections away, and {', '.join(asked)} is wanted at the same time.")
    if machine.get("refusals") and asked:
        states = {"configured": False, "staged": False, "active": None}
        module.fail_json(msg="Nothing was changed", refusals=machine["refusals"], states=states, requests=[], notes=[])
    converge(module, folder, machine, asked)


def converge(module: AnsibleModule, folder: Path, machine: dict[str, Any], asked: list[str]) -> None:
    goal = module.params["state"] == "present"
    due = bool(asked or not goal) and machine["files"] != goal
    if due and not module.check_mode:
        machine["files"] = goal
        (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    there = machine["files"] == goal or not (asked or not goal)
    active = machine["running"] == goal or not (asked or not goal)
    states = {"configured": there, "staged": there, "active": active}
    trial = None
    if module.params["trial"] and asked:
        if active and not module.check_mode:
            machine["confirmed"] = True
            (folder / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
        phase = "started" if active else "staged"
        trial = {"phase": "confirmed" if machine.get("confirmed") else phase}
    change = {"before_header": "/etc/it", "after_header": "/etc/it", "before": "old\n", "after": "new\n"}
    module.exit_json(
        changed=due,
        reboot_required=there and not active and not machine.get("short"),
        states=states,
        requests=[
            {"section": name, "name": "it", "requested": "to be configured", "now": "", **states} for name in asked
        ],
        refusals=[],
        trial=trial,
        notes=[],
        steps=[{"kind": "WriteFile", "path": "/etc/it", "reason": "bring it about"}] if due else [],
        tools=[],
        unreadable=machine.get("unreadable", []),
        diff=[change] if due else [],
    )


if __name__ == "__main__":
    main()
