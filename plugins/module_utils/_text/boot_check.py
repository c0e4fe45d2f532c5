# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the check at boot found, for the journal, for people who log in, and for monitoring. Pure."""

from __future__ import annotations

import typing as t

from .._machine.boot_facts import BootCheck

#: Identify the two entries in the journal, for `journalctl MESSAGE_ID=...`. They never change.
NOT_ACTIVE_ID = "6d3c1f0b0a7e4f6f9a5c8e2b7d41c3a9"
CHANGED_ID = "c1f8a1d6f5f24b0d8d2a9b63e07f5e18"
#: Priorities of the journal: syslog(3).
_WARNING, _NOTICE = "4", "5"
_SEE = "See `vfio-workstation status`."


def journal_entry(check: BootCheck) -> list[tuple[str, str]]:
    """Return the fields of the entry in the journal; none if there is nothing to say."""
    if check.active and not check.changes:
        return []
    return [
        ("MESSAGE", "\n".join(_lines(check))),
        ("MESSAGE_ID", CHANGED_ID if check.active else NOT_ACTIVE_ID),
        ("PRIORITY", _NOTICE if check.active else _WARNING),
        ("SYSLOG_IDENTIFIER", "vfio-workstation"),
        ("VFIO_WORKSTATION_VERDICT", check.verdict),
        *(("VFIO_WORKSTATION_CHANGE", change.kind) for change in check.changes),
    ]


def login_text(check: BootCheck) -> str:
    """Return the text for people who log in; empty if everything requested is active."""
    if check.active:
        return ""
    return "".join(f"{line}\n" for line in (*_lines(check), _SEE))


def change_lines(check: BootCheck) -> list[str]:
    """Return a line for each change since the last good boot."""
    if not check.changes:
        return []
    return [f"Changed since {_printable(check.good_boot or 'an earlier boot')}, when everything was active:"] + [
        f"  {_printable(change.text)}" for change in check.changes
    ]


def metrics_text(check: BootCheck, seconds: int) -> str:
    """Return the metrics, in the text format of Prometheus.

    Args:
        check: The check.
        seconds: The time of the check, in seconds since the epoch.
    """
    metrics = (
        ("active", "Whether everything requested was active at the last check.", int(check.active)),
        ("changes", "Changes since the last boot at which everything was active.", len(check.changes)),
        ("check_timestamp_seconds", "Time of the last check, which each boot makes.", seconds),
    )
    return "".join(_metric(f"vfio_workstation_{name}", text, value) for name, text, value in metrics)


def _metric(name: str, text: str, value: int) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {value}\n"


def _lines(check: BootCheck) -> t.Iterator[str]:
    state = "everything requested is active" if check.active else "not everything requested is active"
    yield f"vfio-workstation: {state}" + (f": {_printable(check.reason)}" if not check.active else "")
    yield from change_lines(check)


def _printable(text: str) -> str:
    """Return a text in one line, without the control characters that a terminal would interpret."""
    return "".join(character if character.isprintable() else " " for character in text)
