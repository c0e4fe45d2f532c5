# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands `status` and `verify`."""

from __future__ import annotations

import json
import sys

from .._machine import to_json
from .._text import verdict
from .._text.tables import failure_text, host_table, sentence
from .commands import ERROR, NOT_ACTIVE, NOTHING_REQUESTED, OK, CommandFailed, Invocation
from .look import Look, host_name, look, unreadable_text
from .terminal import terminal_width


def status(invocation: Invocation) -> int:
    """Print the table of the requests, as the playbooks do."""
    seen = look(invocation.root)
    if invocation.json:
        _print_json(seen)
    else:
        for line in host_table(host_name(invocation.root), seen.result, predicted=True, width=terminal_width()):
            print(line)
        if seen.unreadable:
            print(f"  {unreadable_text(seen.unreadable)}")
    return OK


def verify(invocation: Invocation) -> int:
    """Say in one line whether everything requested is active; the exit status says so too."""
    seen = look(invocation.root)
    if not seen.is_certain and seen.word != verdict.ACTIVE:
        raise CommandFailed(unreadable_text(seen.unreadable))
    if invocation.json:
        _print_json(seen)
    else:
        reason = failure_text(seen.result, predicted=True)
        print(f"{host_name(invocation.root)}: {reason or sentence(seen.word)}")
    return {verdict.ACTIVE: OK, verdict.UNMANAGED: NOTHING_REQUESTED, verdict.FAILED: ERROR}.get(seen.word, NOT_ACTIVE)


def _print_json(seen: Look) -> None:
    document = {"verdict": seen.word, **seen.result, "unreadable": to_json(seen.unreadable)}
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    print()
