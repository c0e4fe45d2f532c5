# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what is observed to what is requested for: refuse, predict, or apply and look again."""

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
    """What one look at the machine, with the request in mind, comes to."""

    tree: Tree
    refusals: tuple[Refusal, ...]
    steps: tuple[Step, ...]
    states: States
    values: dict[str, Any]  # what the module returns besides
    diffs: tuple[dict[str, str], ...]  # beyond those of files
    warnings: tuple[str, ...]
    live: Mapping[str, Any] = MappingProxyType({})  # what the module returns, as it is at the end
    reboot_helps: bool = True  # where something is not active


def converge(module: AnsibleModule, observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> NoReturn:
    """Look, and do what is due, unless in check mode; exit with what was found and done, or fail.

    Args:
        module: The module.
        observe: Looks at the machine as it is at that moment.
        checks: What generated files must pass, by the name that steps give.
    """
    if module.check_mode:
        _finish(module, _with_file_diffs(_look(observe)), None)
    if os.geteuid() != 0:
        module.fail_json(
            msg="Only root can change how a machine boots, and this is run as another user. "
            "Set become: true, or use check mode to see what would change."
        )
    try:
        with locked():
            outcome = _look(observe)
            receipt = None
            if outcome.steps and not outcome.refusals:
                # Nothing to do costs no wait; what is to be done is planned again, since package managers may have
                # changed what it was planned for.
                with package_managers_held():
                    outcome, receipt = _apply(observe, checks)
            _finish(module, outcome, receipt)
    except (Busy, ApplyFailed) as error:
        module.fail_json(msg=f"{error}\n{_how_it_is_left(error)}", refusals=[])


def _apply(observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> tuple[Outcome, Receipt | None]:
    """Plan and apply; return the outcome with the states at the end, and the receipt if anything was applied.

    Raises:
        ApplyFailed: A step failed, or the host does not show what the steps were for. Every step is undone.
    """
    since = time.time_ns()
    # The diff is of the files as they are before the steps.
    planned = _with_file_diffs(_look(observe))
    refusals = planned.refusals or _obstacles(planned)
    if refusals or not planned.steps:
        return planned._replace(refusals=refusals), None
    with Transaction(checks, since=since) as transaction:
        transaction.apply(planned.steps)
        last = _look(observe)
        _insist(last)
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


def _how_it_is_left(error: Exception) -> str:
    if isinstance(error, UndoFailed):
        return "Every other file is as it was. Put those back by hand, or remove what hindered it and run this again."
    return "Nothing is changed: every file is as it was."


def _look(observe: Callable[[], Outcome]) -> Outcome:
    """Look at the machine with the request in mind; what killed runs left is to go, unless nothing may be changed."""
    outcome = observe()
    return outcome if outcome.refusals else outcome._replace(steps=(*leftover_removals(outcome.tree), *outcome.steps))


def _insist(outcome: Outcome) -> None:
    """Raise unless nothing is left to do: a tool that says it succeeded may have done something else."""
    steps = (step for step in outcome.steps if step.effect != ACTIVE)
    left = [*(step.reason for step in steps), *(refusal.seen for refusal in outcome.refusals)]
    if left:
        raise ApplyFailed(
            "All steps were carried out, but the machine does not show what they were for; this is left: "
            + "; ".join(left)
        )


def _finish(module: AnsibleModule, outcome: Outcome, receipt: Receipt | None) -> NoReturn:
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
        steps=[_step(step) for step in outcome.steps],
        tools=list(receipt.tools) if receipt else [],
        diff=list(outcome.diffs),
        **values,
    )


def refusal_text(refusals: Sequence[Refusal]) -> str:
    """Return refusals for a person: what was seen, why it is dangerous, what to do."""
    parts = [
        f"[{one.code}] {one.seen}\n  Why this matters: {one.danger}\n  What to do: {one.remedy}" for one in refusals
    ]
    return "Nothing was changed, for the following:\n" + "\n".join(parts)


def _step(step: Step) -> dict[str, Any]:
    """Return a step without a file's content: that is in the diff."""
    values: dict[str, Any] = to_json(step)
    values.pop("content", None)
    return {"kind": type(step).__name__, **values}


def _with_file_diffs(outcome: Outcome) -> Outcome:
    return outcome._replace(diffs=(*outcome.diffs, *_file_diffs(outcome)))


def _file_diffs(outcome: Outcome) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for step in outcome.steps:
        if isinstance(step, (WriteFile, RemoveFile)):
            content = outcome.tree.data(step.path, FILE_LIMIT)
            before = "" if content is None else content.decode("utf-8", "replace")
            after = step.content if isinstance(step, WriteFile) else ""
            # Of a file that is written twice, what matters is how it was and how it will be.
            header = {"before_header": step.path, "after_header": step.path, "before": before}
            first = found.setdefault(step.path, header)
            first["after"] = after.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return [diff for diff in found.values() if diff["before"] != diff["after"]]
