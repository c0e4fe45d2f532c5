# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`verify --record`: compare this boot with the last good one, and record and say what was found."""

from __future__ import annotations

import os
import time

from .._apply.boot_check import write_journal, write_metrics, write_motd, write_text
from .._machine.boot_facts import GOOD_BOOT_FILE, LAST_CHECK_FILE, BootCheck
from .._plan.boot_records import parse_check, parse_facts, render_check, render_facts
from .._plan.drift import boot_facts, drift
from .._probe.firmware import read_boot_id, read_firmware
from .._probe.tree import FILE_LIMIT, Tree
from .._text import verdict
from .._text.boot_check import journal_entry, login_text, metrics_text
from .._text.tables import failure_text, sentence
from .._text.verdict import requests_of
from .commands import CommandFailed
from .look import Look
from .output import complain


def check_boot(seen: Look, root: str, now: float) -> BootCheck:
    """Return the verdict, and what changed since the last good boot; nothing is written.

    Args:
        seen: What is seen of the host now.
        root: Folder of the host's files.
        now: The present time, in seconds since the epoch.
    """
    tree = Tree(root)
    before = parse_facts(tree.exact(GOOD_BOOT_FILE, FILE_LIMIT))
    boot_id = read_boot_id(tree)
    is_active = seen.word == verdict.ACTIVE
    check = BootCheck(_time_text(now), boot_id, seen.word, is_active, "" if is_active else _reason(seen), (), None)
    if before is None or seen.machine is None:
        return check
    if before.boot_id is not None and before.boot_id == boot_id:
        # This boot is the last good one: what changed since the one before was found by an earlier check.
        earlier = parse_check(tree.exact(LAST_CHECK_FILE, FILE_LIMIT))
        if earlier is None or earlier.boot_id != boot_id:
            return check
        return check._replace(changes=earlier.changes, good_boot=earlier.good_boot)
    facts = boot_facts(seen.machine, read_firmware(tree), boot_id)
    return check._replace(changes=drift(before, facts), good_boot=before.time)


def record_boot(seen: Look, root: str = "/") -> BootCheck:
    """Record what the check found, and say it in the journal, at logins and in metrics.

    Args:
        seen: What is seen of the host now.
        root: Folder of the host's files; `/` except in tests.

    Raises:
        CommandFailed: The records can't be written.
    """
    if root == "/" and os.geteuid() != 0:
        raise CommandFailed("verify --record writes to /var/lib/vfio-workstation. Run it as root.")
    now = time.time()
    check = check_boot(seen, root, now)
    prefix = root.rstrip("/")
    tree = Tree(root)
    earlier = parse_check(tree.exact(LAST_CHECK_FILE, FILE_LIMIT))
    try:
        if check.active and seen.machine is not None:
            facts = boot_facts(seen.machine, read_firmware(tree), check.boot_id, check.time)
            write_text(prefix + GOOD_BOOT_FILE, render_facts(facts))
        write_text(prefix + LAST_CHECK_FILE, render_check(check))
        write_motd(login_text(check), root)
        write_metrics(metrics_text(check, int(now)), root)
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}") from error
    if earlier is None or earlier._replace(time=check.time) != check:
        _say(check)
    return check


def _say(check: BootCheck) -> None:
    """Write the entry to the journal, or to standard error where there is no journal."""
    entry = journal_entry(check)
    if not write_journal(entry):
        complain(dict(entry)["MESSAGE"])


def _reason(seen: Look) -> str:
    inactive = [
        f"{request['section']} {request['name']} ({request['now']})"
        for request in requests_of(seen.result)
        if request.get("active") is False
    ]
    reason = failure_text(seen.result, predicted=True) or sentence(seen.word)
    # The reason of an incomplete host has them.
    listed = f"; not active: {', '.join(inactive)}" if inactive and seen.word != verdict.INCOMPLETE else ""
    return f"{reason}{listed}"


def _time_text(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
