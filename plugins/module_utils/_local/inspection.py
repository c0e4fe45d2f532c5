# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `inspect`: what the module host would return in check mode, for a controller that asks.

The controller asks before it sends the module: the code of the command is on the host, compiled, while the module
would have to be sent and compiled. The answer says which code it comes from, so that the controller can tell whether
the module would return the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from typing import Any

from .._engine.converge import predict
from .._engine.host import HostRun
from .._engine.local_files import LocalRequest
from .._engine.outcome import run_values
from .._engine.without_root import without_root
from .._machine import to_json
from .._plan.parse_desired import parse_host
from .archive import Archive
from .commands import OK, REQUEST, CommandFailed, Invocation
from .output import say


def inspect(invocation: Invocation) -> int:
    """Print the answer as one line of JSON."""
    options = _decoded(invocation.values.get(REQUEST.name, ""))
    request = parse_host(options)
    if isinstance(request, list):
        raise CommandFailed("\n".join(request))
    archive = Archive()
    local = LocalRequest(options, archive if request.local_command else None)
    run = HostRun(request.desired, request.absent, request.replace, root=invocation.root, local=local)
    outcome = predict(run.observe)
    if os.geteuid() != 0:
        outcome = without_root(outcome)
    unreadable = to_json(outcome.tree.unreadable) if os.geteuid() != 0 else []
    answer = {
        "code": {source.name: source.checksum for source in archive.sources},
        "values": {**run_values(outcome), "unreadable": unreadable},
        "warnings": outcome.warnings,
    }
    say(json.dumps(answer, separators=(",", ":")))
    sys.stdout.flush()
    return OK


def _decoded(text: str) -> dict[str, Any]:
    try:
        options = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise CommandFailed(f"{REQUEST.name}: expected the options of the module host as JSON in base64.") from error
    if not isinstance(options, dict):
        raise CommandFailed(f"{REQUEST.name}: found {type(options).__name__}, expected the options of the module host.")
    return options
