# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `report`: what the playbook of that name prints."""

from __future__ import annotations

import json
import sys

from .._machine import to_json
from .._probe import probe
from .._text.passthrough import gpus
from .._text.report import report_lines
from .commands import OK, Invocation
from .look import host_name
from .output import say
from .terminal import terminal_width


def report(invocation: Invocation) -> int:
    """Print what the host offers for PCI passthrough; with --json, what the module host_info returns."""
    reading = probe(invocation.root)
    document = to_json(reading)
    if invocation.json:
        json.dump(document, sys.stdout, indent=2, sort_keys=True)
        say()
        return OK
    for line in report_lines(document, gpus(reading.host), host_name(invocation.root), terminal_width()):
        say(line)
    return OK
