# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Converge a machine to a request: plan, predict, or apply and verify."""

from __future__ import annotations

import time
from typing import Callable, Mapping

from .._apply import ApplyFailed, Receipt, Transaction, UndoFailed, locked
from .._apply.leftovers import leftover_removals
from .._apply.package_managers import package_managers_held
from .._apply.protection import protection_refusals
from .._apply.storage import storage_refusals
from .._apply.transaction import Check
from .._machine.plan import ACTIVE, Refusal
from .outcome import Outcome, with_file_diffs


def predict(observe: Callable[[], Outcome]) -> Outcome:
    """Return what converging would do now, and everything that would stop it.

    Args:
        observe: Plans the request for the machine as it is at the time of the call.
    """
    outcome = with_file_diffs(_observe(observe))
    return outcome._replace(refusals=outcome.refusals or _obstacles(outcome))


def converge(observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> tuple[Outcome, Receipt | None]:
    """Carry out the steps that are due.

    Args:
        observe: Plans the request for the machine as it is at the time of the call.
        checks: The checks of generated files, by the names that steps refer to.

    Returns:
        The outcome with the states at the end, and the receipt; None where no step was carried out.

    Raises:
        ApplyFailed: A step failed, or the host does not show what the steps were for. Every step is undone.
        Busy: Another run, or a package manager, does not end.
    """
    with locked():
        outcome = _observe(observe)
        if not outcome.steps or outcome.refusals:
            # A run without steps does not wait for package managers.
            return outcome, None
        # After the wait, steps are planned again: a package manager may have changed the files that they were for.
        with package_managers_held():
            return _apply(observe, checks)


def state_after(error: Exception) -> str:
    """Return the sentence that says what state a failed run leaves the files in."""
    if isinstance(error, UndoFailed):
        return "All other files are as they were. Restore those by hand, or remove the cause and run this again."
    return "Nothing is changed: every file is as it was."


def _apply(observe: Callable[[], Outcome], checks: Mapping[str, Check]) -> tuple[Outcome, Receipt | None]:
    """Plan and apply; return the outcome with the states at the end, and the receipt if anything was applied."""
    since = time.time_ns()
    # The diff is of the files as they are before the steps.
    planned = with_file_diffs(_observe(observe))
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
