# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `device_driver`: hand a PCI function to another driver without a reboot."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._apply import Busy, locked
from .._engine.driver_change import DriverChangeFailed, DriverRun, DriverState, Observation
from .._machine import to_json
from .._machine.driver_change import AUTO, NONE, DriverRequest
from .._plan.driver_change import (
    ACCEPTABLE,
    group_of,
    with_driver,
)
from .._plan.notation import full_address
from .._plan.refusal_text import refusal_text

_DRIVER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}", re.ASCII)
_LONGEST_WAIT = 3600

ARGUMENTS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "driver": {"type": "str", "default": "vfio-pci"},
    "accept": {"type": "list", "elements": "str", "choices": list(ACCEPTABLE), "default": []},
    "timeout": {"type": "int", "default": 30},
}


def run_device_driver() -> NoReturn:
    """Hand a function over, or fail with the reason."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    errors = check_parameters(params)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = DriverRequest(full_address(params["address"]) or "", params["driver"])
    run = DriverRun(request, frozenset(params["accept"]), params["timeout"])
    if module.check_mode:
        observation = run.observe()
        _exit(module, request, observation, DriverState(observation.plan.driver, observation.plan.override))
    if os.geteuid() != 0:
        module.fail_json(
            msg="Handing devices to other drivers requires root. "
            "Set become: true, or use check mode to see what would change."
        )
    try:
        with locked():
            observation = run.observe()
            after = run.hand_over(observation) if observation.plan.steps else observation.before
    except Busy as error:
        module.fail_json(msg=f"{error}\nNothing is changed.", refusals=[])
    except DriverChangeFailed as error:
        values = _values(observation, request, error.after)
        module.fail_json(msg=str(error), changed=error.after != observation.before, refusals=[], **values)
    plan = observation.plan._replace(notes=run.notes(observation, after))
    _exit(module, request, observation._replace(plan=plan), after)


def check_parameters(params: dict[str, Any]) -> list[str]:
    """Return all mistakes in the parameters: what was found, what was expected, what to do."""
    errors = []
    if full_address(params["address"]) is None:
        errors.append(
            f"address: {params['address']!r} is not the address of a PCI function. "
            "Write it as lspci -D prints it, such as '0000:41:00.0'."
        )
    if not _DRIVER.fullmatch(params["driver"]):
        errors.append(
            f"driver: {params['driver']!r} is not the name of a driver. Write it as in /sys/bus/pci/drivers, "
            f"such as vfio-pci, or {AUTO} or {NONE}."
        )
    if not 1 <= params["timeout"] <= _LONGEST_WAIT:
        errors.append(f"timeout: {params['timeout']} is not within 1 to {_LONGEST_WAIT} seconds. Omit it for 30.")
    return errors


def _values(observation: Observation, request: DriverRequest, after: DriverState) -> dict[str, Any]:
    before = observation.before
    machine = observation.machine
    if request.address in machine.pci:
        machine = with_driver(machine, request.address, after.driver)
    return {
        "driver": {"before": before.driver, "after": after.driver},
        "driver_override": {"before": before.override, "after": after.override},
        "group": to_json(group_of(machine, request.address)),
    }


def _exit(module: AnsibleModule, request: DriverRequest, observation: Observation, after: DriverState) -> NoReturn:
    plan = observation.plan
    values = {**_values(observation, request, after), "notes": list(plan.notes), "refusals": to_json(plan.refusals)}
    if plan.refusals:
        module.fail_json(msg=refusal_text(plan.refusals), **values)
    changed = bool(plan.steps) if module.check_mode else after != observation.before
    module.exit_json(
        changed=changed,
        steps=[{"kind": type(step).__name__, **to_json(step)} for step in plan.steps],
        diff=[_diff(request.address, observation.before, after)] if changed else [],
        **values,
    )


def _diff(address: str, before: DriverState, after: DriverState) -> dict[str, str]:
    header = f"/sys/bus/pci/devices/{address}"
    return {"before_header": header, "after_header": header, "before": _state_text(before), "after": _state_text(after)}


def _state_text(state: DriverState) -> str:
    return f"driver: {state.driver or 'none'}\ndriver_override: {state.override or 'not set'}\n"
