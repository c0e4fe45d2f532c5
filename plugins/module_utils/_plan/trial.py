# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is next for a trial boot, from the record, the boot loader, and the running system.

A configuration is tried when it differs from the one that was tried last. Until it is confirmed, the default is the
entry without VFIO, also for a host whose earlier configuration was confirmed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping, NamedTuple, Sequence

from .._machine import cmdline
from .._machine.plan import Refusal
from .._machine.trial import ARMED, CONFIRMED, FINAL, PHASES, RETURNED, STAGED, TrialRecord
from .record_text import DamagedRecord, record_values
from .refusals import refuse

TRIAL = "trial"
_FORMAT = 1
_ABOUT = "How far the trial of a configuration by vfio.workstation has come."
#: Seconds after which a kernel that panicked reboots (kernel-parameters.txt, panic=).
PANIC = "panic=30"


class TrialSituation(NamedTuple):
    """What is known when a pass over the host begins."""

    record: TrialRecord | None
    choice: str | None  # what the boot loader boots by itself
    configuration: str  # digest of the requested configuration
    kernel: str  # version of the running kernel
    boot: str  # boot id
    timeout: int | None  # None: as an earlier run left it
    is_routed: bool  # whether the running system has a default route
    is_running: bool  # whether the running kernel was started with the managed arguments
    is_active: bool  # whether the running system shows everything that is requested, and the host has lost nothing
    is_changed: bool  # whether this run changes command lines or images
    is_accepted: bool  # whether the user overrides trial_returned


class TrialDecision(NamedTuple):
    """What is to be true of the trial after a run."""

    choice: str | None
    record: TrialRecord | None
    refusals: tuple[Refusal, ...] = ()


def decide_trial(situation: TrialSituation) -> TrialDecision:
    """Return what is to be true of the trial after a run of the module."""
    record = situation.record
    if record is None or record.configuration != situation.configuration:
        # A configuration that is active already does not have to be tried.
        is_known = situation.is_active and not situation.is_changed
        return _confirmed(situation) if is_known else _staged(situation)
    if situation.choice == FINAL or record.phase == CONFIRMED:
        return _confirmed(situation)
    if is_missed(record, situation.choice, situation.boot, is_running=situation.is_running):
        return TrialDecision(ARMED, _timed(record, situation))
    if has_returned(record, situation.boot, is_running=situation.is_running):
        if situation.is_accepted:
            return _staged(situation)
        return TrialDecision(situation.choice, record, (_returned(record),))
    if record.phase == STAGED and record.boot == situation.boot:
        return TrialDecision(ARMED, _timed(record, situation))
    return _confirmed(situation) if situation.is_active else TrialDecision(situation.choice, record)


def has_returned(record: TrialRecord, boot: str, *, is_running: bool) -> bool:
    """Tell whether a trial boot has ended without being confirmed.

    Args:
        record: The record.
        boot: The boot id of the running system.
        is_running: Whether the running kernel was started with the managed arguments.
    """
    return record.phase == RETURNED or (record.phase != CONFIRMED and record.boot != boot and not is_running)


def is_missed(record: TrialRecord, choice: str | None, boot: str, *, is_running: bool) -> bool:
    """Tell whether the host was booted, and the boot loader did not start the trial: it is armed still.

    A person chose another entry for one boot, or the boot loader can't write what it chooses by.

    Args:
        record: The record.
        choice: What the boot loader boots by itself.
        boot: The boot id of the running system.
        is_running: Whether the running kernel was started with the managed arguments.
    """
    return record.phase == STAGED and choice == ARMED and record.boot != boot and not is_running


def _staged(situation: TrialSituation) -> TrialDecision:
    return TrialDecision(ARMED, _new(STAGED, situation)._replace(routed=situation.is_routed))


def _confirmed(situation: TrialSituation) -> TrialDecision:
    record = situation.record
    if record is None or record.configuration != situation.configuration:
        return TrialDecision(FINAL, _new(CONFIRMED, situation))
    after = record if record.phase == CONFIRMED else confirmed(record, situation.boot)
    return TrialDecision(FINAL, _timed(after, situation))


def confirmed(record: TrialRecord, boot: str) -> TrialRecord:
    """Return the record of a trial after its confirmation in a boot."""
    return record._replace(phase=CONFIRMED, boot=boot, reason="", journal=())


def _new(phase: str, situation: TrialSituation) -> TrialRecord:
    return _timed(TrialRecord(phase, situation.configuration, situation.kernel, situation.boot), situation)


def _timed(record: TrialRecord, situation: TrialSituation) -> TrialRecord:
    return record if situation.timeout is None else record._replace(timeout=situation.timeout)


def _returned(record: TrialRecord) -> Refusal:
    reason = record.reason or "the trial boot was not confirmed, and did not report why"
    journal = "".join(f"\n    {line}" for line in record.journal)
    return refuse("trial_returned", f"The last trial boot returned to the entry without VFIO: {reason}.{journal}")


def configuration_digest(owners: Mapping[str, Sequence[str]], bound: Sequence[str]) -> str:
    """Return a digest of what is tried: the arguments of each owner, and the functions that are bound.

    Args:
        owners: The argument units of each owner.
        bound: The addresses of bound functions.
    """
    values = [sorted((owner, list(units)) for owner, units in owners.items()), sorted(bound)]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def panic_arguments(managed: Sequence[str], lines: Sequence[str | None]) -> tuple[str, ...]:
    """Return the argument that makes a kernel reboot after a panic; none where somebody else decides about it.

    Args:
        managed: The units that other sections request; without any, nothing is tried.
        lines: The command lines of the running kernel and of the installed ones.
    """
    others = {
        argument.value
        for line in (*managed, *lines)
        for argument in cmdline.parse(line or "").arguments
        if argument.name == "panic"
    }
    return () if not managed or others - {PANIC.partition("=")[2]} else (PANIC,)


def render_trial(record: TrialRecord) -> str:
    """Return the text of a record."""
    return json.dumps({"about": _ABOUT, "format": _FORMAT, **record._asdict()}, indent=2) + "\n"


def parse_trial(text: str | None) -> TrialRecord | None:
    """Return the record that a file's text contains; None where there is no file.

    Raises:
        DamagedRecord: The text is no record.
    """
    if text is None:
        return None
    raw = record_values(text, _FORMAT)
    if raw.get("phase") not in PHASES:
        raise DamagedRecord(f"the phase {raw.get('phase')!r} is unknown")
    try:
        return TrialRecord(**{name: _value(name, raw[name]) for name in TrialRecord._fields})
    except (KeyError, TypeError) as error:
        raise DamagedRecord(f"a value is missing or has the wrong type: {error}") from error


def _value(name: str, value: Any) -> Any:
    type_ = {"timeout": int, "controller": bool, "routed": bool, "journal": list}.get(name, str)
    items = value if type_ is list and isinstance(value, list) else ()
    is_of_type = isinstance(value, type_) and (type_ is not int or not isinstance(value, bool))
    if not is_of_type or any(not isinstance(item, str) for item in items):
        raise TypeError(f"{name} is {value!r}")
    return tuple(items) if type_ is list else value
