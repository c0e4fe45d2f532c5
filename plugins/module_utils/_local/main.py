# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entry point of the command."""

from __future__ import annotations

import os
import sys
from typing import Sequence

from .arguments import HELP, PROGRAM, Mistake, help_text, parse
from .commands import ERROR, OK, CommandFailed, Option
from .output import complain, say
from .version import VERSION as NUMBER


def main(arguments: Sequence[str]) -> int:
    """Carry out a command; return the exit status.

    Args:
        arguments: The arguments, without the name of the program.
    """
    try:
        return _carry_out(arguments)
    except CommandFailed as error:
        complain(f"{PROGRAM}: {error}")
        return ERROR
    except BrokenPipeError:
        # The program that reads the output has ended. At exit, Python would fail to write the rest, and report that.
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdout.fileno())
        return OK


def _carry_out(arguments: Sequence[str]) -> int:
    call = parse(arguments)
    if isinstance(call, Mistake):
        raise CommandFailed(f"{call.text} {PROGRAM} {HELP.name} lists all.")
    if isinstance(call, Option):
        say(help_text() if call == HELP else f"{PROGRAM} {NUMBER}")
        return OK
    # Late: it brings the whole probe, which the help can do without.
    from .._probe.captured import check_root

    mistakes = check_root(call.invocation.root)
    if mistakes:
        raise CommandFailed(f"--{mistakes[0]}")
    status = call.command.load()(call.invocation)
    sys.stdout.flush()
    return status
