# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `status` and `verify`."""

from __future__ import annotations

import json
import sys
import time

from .._machine import to_json
from .._machine.boot_facts import BootCheck
from .._text import verdict
from .._text.boot_check import change_lines
from .._text.tables import failure_text, host_table, sentence
from .boot_check import check_boot, record_boot
from .commands import ERROR, NOT_ACTIVE, NOTHING_REQUESTED, OK, RECORD, ROOT, CommandFailed, Invocation
from .look import Look, host_name, look, unreadable_text
from .output import say
from .terminal import terminal_width


def status(invocation: Invocation) -> int:
    """Print the table of the requests, as the playbooks do."""
    seen = look(invocation.root)
    if invocation.json:
        _print_json(seen)
    else:
        for line in host_table(host_name(invocation.root), seen.result, predicted=True, width=terminal_width()):
            say(line)
        if seen.unreadable:
            say(f"  {unreadable_text(seen.unreadable)}")
    return OK


def verify(invocation: Invocation) -> int:
    """Say whether everything requested is active, and what changed since the last good boot."""
    if RECORD.name in invocation.flags and ROOT.name in invocation.values:
        raise CommandFailed(f"{RECORD.name} records boots of this host. Omit it, or {ROOT.name}.")
    seen = look(invocation.root)
    if not seen.is_certain and seen.word != verdict.ACTIVE:
        raise CommandFailed(unreadable_text(seen.unreadable))
    is_recorded = RECORD.name in invocation.flags and seen.word != verdict.UNMANAGED
    check = record_boot(seen, invocation.root) if is_recorded else check_boot(seen, invocation.root, time.time())
    if invocation.json:
        _print_json(seen, check)
    else:
        reason = failure_text(seen.result, predicted=True)
        say(f"{host_name(invocation.root)}: {reason or sentence(seen.word)}")
        for line in change_lines(check):
            say(line)
    return {verdict.ACTIVE: OK, verdict.UNMANAGED: NOTHING_REQUESTED, verdict.FAILED: ERROR}.get(seen.word, NOT_ACTIVE)


def _print_json(seen: Look, check: BootCheck | None = None) -> None:
    document = {"verdict": seen.word, **seen.result, "unreadable": to_json(seen.unreadable)}
    if check is not None:
        document["check"] = to_json(check)
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    say()
