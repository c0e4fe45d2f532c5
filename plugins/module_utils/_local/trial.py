# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `trial run`, which a unit runs at each boot, and `trial await-controller`, which a controller runs."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

from .._apply import ApplyFailed, Busy, ToolFailed, locked
from .._apply import run as run_tool
from .._engine.trial_run import TrialRun
from .._machine.trial import TRIAL_FILE, TrialRecord
from .._plan.record_text import DamagedRecord
from .._text import verdict
from .commands import OK, CommandFailed, Invocation
from .look import look
from .output import say

#: Seconds since the boot until which modules may be loading and networks be coming up.
_GRACE = 120.0
#: Seconds that a slow machine, whose unit starts later than that, is given at least.
_LEAST = 30.0
_INTERVAL = 5.0
_UPTIME = "/proc/uptime"


class Watch(NamedTuple):
    """The parts of a trial that wait and act; tests replace them."""

    judge: Callable[[], str]  # why the running configuration is not what was requested; empty if it is
    uptime: Callable[[], float]  # seconds since the boot
    sleep: Callable[[float], None]
    reboot: Callable[[], None]


def run(invocation: Invocation) -> int:
    """Confirm a trial boot once it is verified, or reboot into the entry without VFIO."""
    root = invocation.root
    watch = Watch(lambda: judge(root), _uptime, time.sleep, _reboot)
    try:
        trial = TrialRun(root)
        with locked():
            trial.begin()
        if trial.is_trial:
            conduct(trial, watch)
    except (ApplyFailed, Busy, DamagedRecord, OSError) as error:
        raise CommandFailed(f"The trial boot can't be judged: {error}. Until it is confirmed, {_DEFAULT}.") from error
    return OK


_DEFAULT = "the next boot is the one without VFIO"


def await_controller(invocation: Invocation) -> int:
    """Have the next boot wait for a controller, which confirms it, instead of confirming it by itself."""
    try:
        with locked():
            TrialRun(invocation.root).await_controller()
    except (ApplyFailed, Busy, DamagedRecord, OSError) as error:
        raise CommandFailed(f"{TRIAL_FILE} can't be updated: {error}.") from error
    return OK


def conduct(trial: TrialRun, watch: Watch) -> None:
    """Wait until the trial is confirmed, by this host or by a controller, or until it has failed."""
    patience = max(_GRACE, watch.uptime() + _LEAST)
    while True:
        trial.refresh()
        record = trial.record
        if record is None or not trial.is_trial:
            say("The trial boot was confirmed by a controller.")
            return
        problem = watch.judge() or ("the host has lost its default route" if trial.lacks_route() else "")
        if not problem and not record.controller:
            with locked():
                trial.confirm()
            say("The configuration is active: the trial boot is confirmed.")
            return
        reason = _failure(record, problem, watch.uptime(), patience)
        if reason:
            with locked():
                trial.refresh()
                if trial.is_trial:
                    trial.give_up(reason)
                    say(f"The trial boot failed: {reason}. Rebooting: {_DEFAULT}.")
                    watch.reboot()
            return
        watch.sleep(_INTERVAL)


def _failure(record: TrialRecord, problem: str, uptime: float, patience: float) -> str:
    """Return why the trial has failed; empty while it has not.

    Args:
        record: The record.
        problem: What is missing.
        uptime: Seconds since the boot.
        patience: Until when it may be missing, in seconds since the boot.
    """
    if problem and uptime > min(patience, record.timeout):
        return problem
    if uptime > record.timeout:
        return f"no controller has confirmed it within {record.timeout} s of the boot"
    return ""


def judge(root: str) -> str:
    """Return why the running system does not show what is requested; empty if it does."""
    try:
        seen = look(root)
    except CommandFailed as error:
        return str(error)
    if seen.word == verdict.UNMANAGED:
        return "no request is recorded on this host"
    missing = [
        f"{state['name']} ({state['section']}): requested {state['requested']}, found {state['now']}"
        for state in seen.result["requests"]
        if state["active"] is False
    ]
    problems = [item["seen"] for name in ("refusals", "findings") for item in seen.result.get(name, ())]
    return "; ".join((*missing, *problems))


def _uptime() -> float:
    with open(_UPTIME, encoding="ascii") as file:
        return float(file.read().split()[0])


def _reboot() -> None:
    try:
        run_tool(("systemctl", "reboot"))
    except ToolFailed as error:
        raise CommandFailed(f"{error}. Reboot this host: {_DEFAULT}.") from error
