# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the command on the host instead of sending the module: how to ask, and which answers count.

Sending and compiling the module takes most of the time of a run that has nothing to do. A host that has been
provisioned has the same code, compiled, in its command vfio-workstation. Only an answer that says that nothing is to
be done, from the same code as that of this controller, counts. In all other cases, the module is sent.
"""

from __future__ import annotations

import base64
import functools
import json
import shlex
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._local.archive import Archive
from ansible_collections.vfio.workstation.plugins.module_utils._local.commands import REQUEST
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import COMMAND_FILE

#: Linux limits one argument to 128 KiB.
_LONGEST = 100_000
#: The code that answers is among the files that are compared.
_ANSWERS = "_local/inspection.py"


def ask(action: t.Any, options: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the result of the module if the host needs nothing, as its command says; else None.

    Args:
        action: The action plugin.
        options: The options of the module host, as they were written.
    """
    line = question(options)
    if line is None:
        return None
    done = action._low_level_execute_command(line)
    return answer(done["rc"], done["stdout"], options)


def question(options: t.Mapping[str, t.Any]) -> str | None:
    """Return the line of shell that asks; None for options that can't be sent this way.

    Args:
        options: The options of the module host, as they were written.
    """
    if options.get("root") not in (None, "/"):
        return None
    try:
        text = json.dumps(options)
    except TypeError:
        return None
    encoded = base64.b64encode(text.encode()).decode()
    return f"{COMMAND_FILE} inspect {REQUEST.name} {shlex.quote(encoded)}" if len(encoded) < _LONGEST else None


def answer(status: int, output: str, options: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the result of the module if the host needs nothing, as it would say itself; else None.

    Args:
        status: The exit status of the command, whatever ran: the host may not have it, or not in this version.
        output: What it printed. At a terminal, messages of sudo come before the answer.
        options: The options that were asked about.
    """
    lines = output.strip().splitlines()
    if status != 0 or not lines:
        return None
    try:
        document = json.loads(lines[-1])
        values, code, warnings = (document[key] for key in ("values", "code", "warnings"))
        is_done = not values["steps"] and not values["refusals"] and not values["unreadable"]
    except (ValueError, KeyError, TypeError):
        return None
    if not is_done or not _is_own_code(code):
        return None
    result = {**values, "invocation": {"module_args": dict(options)}}
    return {**result, "warnings": list(warnings)} if warnings else result


def _is_own_code(code: t.Any) -> bool:
    """Return whether all files are those of this collection."""
    own = _own_code()
    return isinstance(code, dict) and _ANSWERS in code and all(own.get(name) == code[name] for name in code)


@functools.lru_cache(maxsize=1)
def _own_code() -> dict[str, int]:
    return {source.name: source.checksum for source in Archive().sources}
