# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Converge a machine to a request: refuse, predict, or apply and verify."""

from __future__ import annotations

import os
import time
from types import MappingProxyType
from typing import Any, Callable, Mapping, NamedTuple, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._apply import ApplyFailed, Busy, Receipt, Transaction, UndoFailed, locked
from .._apply.leftovers import leftover_removals
from .._apply.package_managers import package_managers_held
from .._apply.protection import protection_refusals
from .._apply.storage import storage_refusals
from .._apply.transaction import Check
from .._machine import to_json
from .._machine.plan import ACTIVE, Refusal, RemoveFile, States, Step, WriteFile
from .._probe.tree import FILE_LIMIT, Tree


class Outcome(NamedTuple):
    """The result of planning a request for the machine as it is."""

    tree: Tree
    refusals: tuple[Refusal, ...]
    steps: tuple[Step, ...]
    states: States
    values: dict[str, Any]  # further values to return, as of the beginning of the run
    diffs: tuple[dict[str, str], ...]  # besides those of files
    warnings: tuple[str, ...]
    live: Mapping[str, Any] = MappingProxyType({})  # further values to return, as of the end of the run
    reboot_helps: bool = True  # whether a reboot would make active what is not


def converge(module: AnsibleModule, observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> NoReturn:
    """Carry out the steps that are due, unless in check mode, and exit with the result or fail.

    Args:
        module: The module.
        observe: Plans the request for the machine as it is at the time of the call.
        checks: The checks of generated files, by the names that steps refer to.
    """
    if module.check_mode:
        _exit(module, _with_file_diffs(_observe(observe)), None)
    if os.geteuid() != 0:
        module.fail_json(
            msg="Changing the boot configuration requires root. "
            "Set become: true, or use check mode to see what would change."
        )
    try:
        with locked():
            outcome = _observe(observe)
            receipt = None
            if outcome.steps and not outcome.refusals:
                # A run without steps does not wait for package managers. After the wait, steps are planned again: a
                # package manager may have changed the files that they were planned for.
                with package_managers_held():
                    outcome, receipt = _apply(observe, checks)
            _exit(module, outcome, receipt)
    except (Busy, ApplyFailed) as error:
        module.fail_json(msg=f"{error}\n{_state_after(error)}", refusals=[])


def _apply(observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> tuple[Outcome, Receipt | None]:
    """Plan and apply; return the outcome with the states at the end, and the receipt if anything was applied.

    Raises:
        ApplyFailed: A step failed, or the host does not show what the steps were for. Every step is undone.
    """
    since = time.time_ns()
    # The diff is of the files as they are before the steps.
    planned = _with_file_diffs(_observe(observe))
    refusals = planned.refusals or _obstacles(planned)
    if refusals or not planned.steps:
        return planned._replace(refusals=refusals), None
    with Transaction(checks, since=since) as transaction:
        transaction.apply(planned.steps)
        last = _observe(observe)
        _verify(last)
    at_end = planned._replace(
        states=last.states, warnings=last.warnings, live=last.live, reboot_helps=last.reboot_helps
    )
    return at_end, transaction.receipt


def _obstacles(outcome: Outcome) -> tuple[Refusal, ...]:
    """Return why the files of the steps can't be replaced."""
    return (
        *storage_refusals(outcome.tree, outcome.steps),
        *protection_refusals(outcome.tree, outcome.steps),
    )


def _state_after(error: Exception) -> str:
    """Return the sentence that says what state a failed run leaves the files in."""
    if isinstance(error, UndoFailed):
        return "All other files are as they were. Restore those by hand, or remove the cause and run this again."
    return "Nothing is changed: every file is as it was."


def _observe(observe: Callable[[], Outcome]) -> Outcome:
    """Return the outcome, with the removal of leftovers of killed runs before its steps."""
    outcome = observe()
    return outcome if outcome.refusals else outcome._replace(steps=(*leftover_removals(outcome.tree), *outcome.steps))


def _verify(outcome: Outcome) -> None:
    """Raise unless no step is left to do. A tool may report success without having done its work."""
    steps = (step for step in outcome.steps if step.effect != ACTIVE)
    due = [*(step.reason for step in steps), *(refusal.seen for refusal in outcome.refusals)]
    if due:
        raise ApplyFailed(
            f"All steps were carried out, but the machine does not show their result. Still due: {'; '.join(due)}"
        )


def _exit(module: AnsibleModule, outcome: Outcome, receipt: Receipt | None) -> NoReturn:
    """Exit with an outcome; the receipt is None where no step was carried out."""
    for warning in outcome.warnings:
        module.warn(warning)
    refusals = outcome.refusals
    if not refusals and module.check_mode:
        refusals = _obstacles(outcome)
    values = {
        **outcome.values,
        **outcome.live,
        "states": to_json(outcome.states),
        "refusals": to_json(refusals),
    }
    if refusals:
        module.fail_json(msg=refusal_text(refusals), **values)
    module.exit_json(
        changed=bool(outcome.steps),
        reboot_required=outcome.states.active is False and outcome.reboot_helps,
        steps=[_step_values(step) for step in outcome.steps],
        tools=list(receipt.tools) if receipt else [],
        diff=list(outcome.diffs),
        **values,
    )


def refusal_text(refusals: Sequence[Refusal]) -> str:
    """Return the message of a refused run: what was found, why it is dangerous, what to do."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for refusal in refusals:
        same.setdefault((refusal.code, refusal.danger, refusal.remedy), []).append(refusal.seen)
    parts = [
        f"[{code}] " + "\n  ".join(seen) + f"\n  Why this matters: {danger}\n  What to do: {remedy}"
        for (code, danger, remedy), seen in same.items()
    ]
    return "Refused; nothing was changed:\n" + "\n".join(parts)


def _step_values(step: Step) -> dict[str, Any]:
    """Return a step as values, without the content of a file: the diff has that."""
    values: dict[str, Any] = to_json(step)
    values.pop("content", None)
    return {"kind": type(step).__name__, **values}


def _with_file_diffs(outcome: Outcome) -> Outcome:
    return outcome._replace(diffs=(*outcome.diffs, *_file_diffs(outcome)))


def _file_diffs(outcome: Outcome) -> list[dict[str, str]]:
    diffs: dict[str, dict[str, str]] = {}
    for step in outcome.steps:
        if isinstance(step, (WriteFile, RemoveFile)):
            content = outcome.tree.data(step.path, FILE_LIMIT)
            before = "" if content is None else content.decode("utf-8", "replace")
            after = step.content if isinstance(step, WriteFile) else ""
            # A file may be written twice: its diff is from before the first write to after the last.
            header = {"before_header": step.path, "after_header": step.path, "before": before}
            diff = diffs.setdefault(step.path, header)
            diff["after"] = after.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return [diff for diff in diffs.values() if diff["before"] != diff["after"]]
