# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a pass over a host that is about trial boots.

The order of steps is such that a power cut between any two leaves a machine that boots the entry without VFIO, or what
was confirmed: before anything else, the boot loader is set to boot the entry without VFIO; with the last step, to try
the configuration once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Iterator, Mapping, NamedTuple

from .._machine import cmdline
from .._machine.host_plan import RequestState
from .._machine.plan import ACTIVE, RECORD, Refusal, RemoveFile, RunTool, Step, WriteFile
from .._machine.trial import (
    ARMED,
    BOOT_ID_FILE,
    CONFIRMED,
    FINAL,
    RETURNED,
    STAGED,
    STARTED,
    STOCK,
    TRIAL_FILE,
    TrialRecord,
)
from .._plan.trial import TRIAL, TrialDecision, TrialSituation, parse_trial, render_trial
from .._plan.trial_files import (
    SYSTEM_CONF,
    SYSTEM_CONF_DIRECTORIES,
    WATCHDOG_FILE,
    WATCHDOG_OFF,
    watchdog_text,
)
from .._probe.tree import FILE_LIMIT, Tree

if TYPE_CHECKING:
    from .._plan.boot.loaders.protocol import TrialBoots

_RUNTIME_WATCHDOG = re.compile(r"^\s*RuntimeWatchdogSec\s*=", re.MULTILINE)
_NO_WAY_OUT = "/sys/class/watchdog/watchdog0/nowayout"
_NOW = {
    STAGED: "pending: the next boot is the trial",
    STARTED: "started, and not confirmed yet",
    CONFIRMED: "confirmed",
    RETURNED: "returned to the entry without VFIO",
}


class TrialPart(NamedTuple):
    """What a pass over a host does about trial boots."""

    before: tuple[Step, ...] = ()  # all other steps
    after: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    state: RequestState | None = None
    notes: tuple[str, ...] = ()
    value: dict[str, Any] | None = None  # to return; None without trial boots


def read_record(tree: Tree) -> TrialRecord | None:
    """Return the record.

    Raises:
        DamagedRecord: The file can't be read.
    """
    return parse_trial((tree.text(TRIAL_FILE, FILE_LIMIT) or "") if tree.exists(TRIAL_FILE) else None)


def boot_id(tree: Tree) -> str:
    """Return the boot id of the running system; empty if it can't be read."""
    return tree.text(BOOT_ID_FILE) or ""


def is_running(running: str | None, owners: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether the running kernel was started with the managed arguments.

    Args:
        running: Its command line.
        owners: The units of each owner.
    """
    units = [unit for units in owners.values() for unit in units]
    return running is not None and bool(units) and cmdline.carries(running, units)


def trial_part(tree: Tree, trial: TrialBoots, situation: TrialSituation, decision: TrialDecision) -> TrialPart:
    """Return the steps after which a decision is true, and what is reported."""
    record = decision.record
    present = situation.choice
    kernel = record.kernel if record is not None else situation.kernel
    before: tuple[Step, ...] = ()
    is_due = situation.is_changed or decision != TrialDecision(present, situation.record)
    if decision.choice == ARMED and is_due and present != STOCK:
        before, present = tuple(trial.steps(STOCK, present, kernel)), STOCK
    elif decision.choice == FINAL and present is None:
        before, present = tuple(trial.steps(FINAL, present, kernel)), FINAL
    after = tuple(_steps(tree, trial, decision, situation.record, present))
    return TrialPart(
        before,
        () if decision.refusals else after,
        decision.refusals,
        _state(decision, situation),
        tuple(_notes(tree, decision, situation)),
        _value(record) if record is not None else None,
    )


def _value(record: TrialRecord) -> dict[str, Any]:
    return {
        "phase": record.phase,
        "kernel": record.kernel,
        "timeout": record.timeout,
        "reason": record.reason,
        "journal": list(record.journal),
    }


def removed_part(tree: Tree, trial: TrialBoots | None) -> TrialPart:
    """Return the steps that remove everything of trial boots but the files of the section."""
    steps = [*(trial.steps(None, trial.choice, "") if trial is not None else ()), *watchdog_removal(tree)]
    if tree.exists(TRIAL_FILE):
        steps.append(RemoveFile(TRIAL_FILE, RECORD, "no trial boots are requested any more"))
    return TrialPart(after=tuple(steps))


def _steps(
    tree: Tree, trial: TrialBoots, decision: TrialDecision, before: TrialRecord | None, present: str | None
) -> Iterator[Step]:
    record = decision.record
    kernel = record.kernel if record is not None else ""
    noted: tuple[Step, ...] = ()
    if record is not None and record != before:
        noted = (WriteFile(TRIAL_FILE, render_trial(record), RECORD, f"record that the trial is {record.phase}"),)
    if decision.choice == FINAL:
        yield from trial.steps(FINAL, present, kernel)
        yield from watchdog_removal(tree)
        yield from noted
        return
    yield from noted
    if decision.choice == ARMED:
        is_written = tree.exact(WATCHDOG_FILE, FILE_LIMIT) == watchdog_text()
        if has_watchdog(tree) and not is_written and not _is_watchdog_set_up(tree):
            reason = "reset the machine if it hangs in the trial boot"
            yield WriteFile(WATCHDOG_FILE, watchdog_text(), RECORD, reason, 0o644)
        yield from trial.steps(ARMED, present, kernel)


def watchdog_removal(tree: Tree) -> Iterator[Step]:
    """Yield the steps that end the use of the watchdog for a trial."""
    if not tree.exists(WATCHDOG_FILE):
        return
    yield RemoveFile(WATCHDOG_FILE, RECORD, "no trial is pending any more")
    if tree.live and tree.exists("/run/systemd/system"):
        yield RunTool(WATCHDOG_OFF, ACTIVE, "stop the watchdog of the trial boot")


def has_watchdog(tree: Tree) -> bool:
    """Tell whether the machine has a watchdog that systemd can use for a trial, and stop after it.

    systemd uses watchdog0. One that can't be stopped (Documentation/watchdog/watchdog-api.rst, "nowayout") would reset
    the machine after the trial.
    """
    return tree.text(_NO_WAY_OUT) == "0"


def _is_watchdog_set_up(tree: Tree) -> bool:
    return any(_RUNTIME_WATCHDOG.search(tree.text(path, FILE_LIMIT) or "") for path in _system_conf_files(tree))


def _system_conf_files(tree: Tree) -> Iterator[str]:
    for directory in SYSTEM_CONF_DIRECTORIES:
        yield f"{directory}/{SYSTEM_CONF}"
        for name in tree.names(f"{directory}/{SYSTEM_CONF}.d"):
            path = f"{directory}/{SYSTEM_CONF}.d/{name}"
            if name.endswith(".conf") and path != WATCHDOG_FILE:
                yield path


def _state(decision: TrialDecision, situation: TrialSituation) -> RequestState | None:
    record, current = decision.record, situation.record
    if record is None:
        return None
    is_ready = decision.choice != ARMED or (situation.choice, current) == (ARMED, record)
    requested = f"return by itself unless confirmed within {record.timeout} s"
    if current is None or current.configuration != record.configuration:
        return RequestState(TRIAL, "trial boot", requested, "not set up", is_ready, is_ready, False)
    active = {STARTED: None, CONFIRMED: True}.get(current.phase, False)
    now = f"{_NOW[current.phase]}: {current.reason}" if current.reason else _NOW[current.phase]
    return RequestState(TRIAL, "trial boot", requested, now, is_ready, is_ready, active)


def _notes(tree: Tree, decision: TrialDecision, situation: TrialSituation) -> Iterator[str]:
    record = decision.record
    if record is None or record.phase not in (STAGED, STARTED):
        return
    if situation.record == record and record.phase == STAGED and record.boot != situation.boot:
        yield (
            "The last boot was not the trial boot: another entry was chosen for it, or the boot loader can't write to "
            "its disk. The next boot is the trial."
        )
    if not has_watchdog(tree) and not _is_watchdog_set_up(tree):
        yield (
            "This machine has no watchdog that can be used for the trial boot. If it hangs then, press the reset "
            "button: the next boot is the one without VFIO."
        )
