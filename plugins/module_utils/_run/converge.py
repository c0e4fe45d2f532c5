# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Converge a machine as a module of Ansible: refuse, predict, or apply, and exit with the result."""

from __future__ import annotations

import os
from typing import Callable, Mapping, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._apply import ApplyFailed, Busy, Receipt
from .._apply.transaction import Check
from .._engine.converge import converge, predict, state_after
from .._engine.outcome import Outcome, run_values
from .._engine.without_root import without_root
from .._machine import to_json
from .._plan.refusal_text import refusal_text


def run_pass(module: AnsibleModule, observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> NoReturn:
    """Carry out the steps that are due, unless in check mode, and exit with the result or fail.

    Args:
        module: The module.
        observe: Plans the request for the machine as it is at the time of the call.
        checks: The checks of generated files, by the names that steps refer to.
    """
    if module.check_mode:
        outcome = predict(observe)
        _exit(module, outcome if os.geteuid() == 0 else without_root(outcome), None)
    if os.geteuid() != 0:
        module.fail_json(
            msg="Changing the boot configuration requires root. "
            "Set become: true, or use check mode to see what would change."
        )
    try:
        outcome, receipt = converge(observe, checks)
    except (Busy, ApplyFailed) as error:
        module.fail_json(msg=f"{error}\n{state_after(error)}", refusals=[])
    _exit(module, outcome, receipt)


def _exit(module: AnsibleModule, outcome: Outcome, receipt: Receipt | None) -> NoReturn:
    """Exit with an outcome; the receipt is None where no step was carried out."""
    for warning in outcome.warnings:
        module.warn(warning)
    unreadable = outcome.tree.unreadable if os.geteuid() != 0 else ()
    values = {**run_values(outcome, receipt.tools if receipt else ()), "unreadable": to_json(unreadable)}
    if outcome.refusals:
        module.fail_json(msg=refusal_text(outcome.refusals), **values)
    module.exit_json(**values)
