# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `guest`: define a domain of libvirt with the devices, memory and CPUs of this host."""

from __future__ import annotations

import os
from typing import Any, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._apply import ApplyFailed, Busy, locked
from .._apply.virsh import Virsh
from .._engine.guest import GuestRun, Observation, shown
from .._machine import to_json
from .._machine.guest import DomainPlan
from .._machine.xml_element import Element
from .._plan.guest.guest_spec import GUEST
from .._plan.guest.hook import HOOK_FILE
from .._plan.guest.inside import Look
from .._plan.guest.parse_guest import parse_guest
from .._plan.refusal_text import refusal_text
from .._plan.request_spec import argument_spec
from .raw_options import RawOptionsModule


def run_guest() -> NoReturn:
    """Define the domain, or remove it, or fail with the reasons."""
    module = RawOptionsModule(argument_spec=argument_spec(GUEST), supports_check_mode=True)
    options = parse_guest(module.options)
    if isinstance(options, list):
        module.fail_json(msg="\n".join(options))
    run = GuestRun(options.request, options.absent, Virsh(options.uri), look_inside=options.look_inside)
    if module.check_mode:
        observation = last = run.observe()
    else:
        observation, last = _carried_out(module, run)
    packages = run.missing_packages(observation) if options.install_packages else ()
    _exit(module, packages, observation, last)


def _carried_out(module: AnsibleModule, run: GuestRun) -> tuple[Observation, Observation]:
    """Carry out what is due, and return the guest before and after it."""
    if os.geteuid() != 0:
        module.fail_json(
            msg="Defining guests requires root. Set become: true, or use check mode to see what would change."
        )
    try:
        with locked():
            observation = run.observe()
            return observation, run.apply(observation) if observation.is_due else observation
    except (ApplyFailed, Busy) as error:
        module.fail_json(msg=str(error), refusals=[])


def _exit(module: AnsibleModule, packages: Sequence[str], observation: Observation, last: Observation) -> NoReturn:
    change, look = observation.change, last.look
    values = {
        "refusals": to_json(observation.refusals),
        "packages": list(packages),
        "running": observation.is_running,
        "restart_required": last.restart_required,
        "works": dict(look.works) if look is not None else {},
        "findings": to_json(look.findings) if look is not None else [],
        **_plan_values(change.plan, (*change.notes, *last.install.notes, *observation.hook.notes, *_look_notes(look))),
    }
    if observation.refusals:
        module.fail_json(msg=refusal_text(observation.refusals), **values)
    end = change.after if module.check_mode or change.after is None else last.change.before
    module.exit_json(
        changed=observation.is_due,
        uuid=_uuid(end or change.before),
        definition=shown(end),
        diff=[*([_diff(module, observation)] if change.is_due else []), *_hook_diffs(observation)],
        **values,
    )


def _look_notes(look: Look | None) -> tuple[str, ...]:
    return look.notes if look is not None else ()


def _plan_values(plan: DomainPlan | None, notes: Sequence[str]) -> dict[str, Any]:
    if plan is None:
        return {"devices": {}, "vcpus": [], "memory_bytes": None, "notes": list(notes)}
    return {
        "devices": {name: list(addresses) for name, addresses in plan.devices.items()},
        "vcpus": list(plan.pins),
        "memory_bytes": plan.memory_bytes,
        "notes": [*plan.notes, *notes],
    }


def _uuid(domain: Element | None) -> str | None:
    uuid = domain.first("uuid") if domain is not None else None
    return uuid.text if uuid is not None else None


def _diff(module: AnsibleModule, observation: Observation) -> dict[str, str]:
    header = f"domain {module.params['name']}"
    change = observation.change
    return {
        "before_header": header,
        "after_header": header,
        "before": shown(change.before),
        "after": shown(change.after),
    }


def _hook_diffs(observation: Observation) -> list[dict[str, str]]:
    hook = observation.hook
    header = {"before_header": HOOK_FILE, "after_header": HOOK_FILE}
    return [{**header, "before": hook.before, "after": hook.after}] if hook.steps else []
