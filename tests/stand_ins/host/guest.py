# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the module guest: the guests of a machine are in its folder; README.md tells more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"required": True},
    "state": {"default": "present"},
    "devices": {"type": "list", "elements": "str", "default": []},
    **{name: {"type": "raw"} for name in ("os", "memory", "disk", "uri")},
    "install": {"type": "dict", "no_log": True},
    "look_inside": {"type": "bool", "default": False},
    "install_packages": {"type": "bool", "default": False},
}
NOT_PROVISIONED = {
    "code": "device_not_provisioned",
    "seen": "windows: the host has no device gpu for guests",
    "danger": "The guest could not start.",
    "remedy": "Request the device in devices of the host.",
}
FAILS = {
    "code": "guest_device_fails",
    "seen": "windows: gpu (10de:2684): Windows reports the problem code 43: the driver has stopped the device",
    "danger": "The guest has the device, and can't use it.",
    "remedy": "Update the driver.",
}


def inside(guest: dict[str, Any] | None, looks: bool) -> dict[str, Any]:
    """What a look into the guest returns; its file says which devices fail."""
    if guest is None or not guest.get("running") or not looks:
        return {"works": {}, "findings": []}
    fails = guest.get("fails", [])
    return {"works": {name: name not in fails for name in guest["devices"]}, "findings": [FAILS] * len(fails)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    folder, name = Path(os.environ["STAND_IN_MACHINE"]), module.params["name"]
    call = {"check": module.check_mode, **{key: module.params[key] for key in ("name", "state", "os", "memory")}}
    with (folder / "guest_calls.jsonl").open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(call) + "\n")
    machine = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    guest = machine.get("guests", {}).get(name)
    running = bool(guest and guest.get("running"))
    goal = module.params["devices"] if module.params["state"] == "present" else None
    refusal = NOT_PROVISIONED if goal is not None and not machine["running"] else None
    if goal is None and running:
        refusal = {**NOT_PROVISIONED, "code": "guest_running", "seen": f"{name}: the guest runs"}
    if refusal:
        module.fail_json(msg="Refused; nothing was changed:", refusals=[refusal], notes=[], running=running)
    due = (guest["devices"] if guest else None) != goal
    if due and not module.check_mode:
        guests = {key: value for key, value in machine.get("guests", {}).items() if key != name}
        if goal is not None:
            guests[name] = {"devices": goal, "running": running}
        (folder / "machine.json").write_text(json.dumps({**machine, "guests": guests}), encoding="utf-8")
    exists = guest is not None if module.check_mode else goal is not None
    change = {"before_header": f"domain {name}", "after_header": f"domain {name}", "before": "", "after": "<domain/>\n"}
    module.exit_json(
        changed=due,
        uuid="8b1a9953-c461-4f1e-9d7a-1c2b3a4d5e6f" if exists else None,
        running=running,
        restart_required=running and due,
        **inside(guest, module.params["look_inside"]),
        notes=[],
        refusals=[],
        diff=[change] if due else [],
    )


if __name__ == "__main__":
    main()
