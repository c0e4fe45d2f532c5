# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tools: from an argument list, never through a shell; in the C locale; with the exit status always checked."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Sequence

#: Seconds. An initramfs takes minutes on a slow machine; a tool that takes longer than this hangs.
LIMIT = 3600.0
#: Characters of a failed tool's output to report: the last ones, since a tool names its error at the end.
_REPORTED_OUTPUT = 4000

# The distribution's directories only: a user's PATH must not replace its tools.
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "HOME": "/root",
    "TERM": "dumb",
}
_ENV = "/usr/bin/env"


class ToolFailed(Exception):
    """A tool could not be run, or ended with a nonzero exit status; the message has the end of its output."""


def tool_line(argv: Sequence[str]) -> str:
    """Return a command line for display; variables that env(1) sets for the tool follow it in parentheses."""
    if not argv or argv[0] != _ENV:
        return " ".join(argv)
    command = list(argv[1:])
    variables = []
    while command and (command[0] == "-u" or "=" in command[0]):
        if command[0] == "-u":
            del command[:2]
        else:
            variables.append(command.pop(0))
    if not command:
        return " ".join(argv)
    return " ".join(command) + (f" (with {' '.join(variables)})" if variables else "")


def tool_name(argv: Sequence[str]) -> str:
    """Return the program that is run, also where env(1) starts it."""
    return tool_line(argv).partition(" ")[0]


def run(argv: Sequence[str], limit: float = LIMIT) -> str:
    """Run a tool, and return its output, including standard error.

    Args:
        argv: The tool and its arguments.
        limit: Seconds after which the tool and all processes that it started are killed.

    Raises:
        ToolFailed: The tool could not be run, did not end in time, or ended with a nonzero exit status.
    """
    return _run(argv, limit, "", separate=False)


def query(argv: Sequence[str], limit: float = LIMIT, given: str = "") -> str:
    """Run a tool whose output is read by a program, and return it without standard error.

    Args:
        argv: The tool and its arguments.
        limit: As for `run`.
        given: Its standard input.

    Raises:
        ToolFailed: As `run`; the message has standard error instead of the output.
    """
    return _run(argv, limit, given, separate=True)


def _run(argv: Sequence[str], limit: float, given: str, separate: bool) -> str:
    line = tool_line(argv)
    try:
        with start(
            argv, subprocess.PIPE if separate else subprocess.STDOUT, subprocess.PIPE if given else None
        ) as process:
            output, errors = _communicate(process, limit, given)
    except OSError as error:
        raise ToolFailed(f"{line}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{line}: did not end within {limit:.0f} s, and was killed") from error
    if process.returncode != 0:
        reported = (errors or output).decode("utf-8", "replace").strip()[-_REPORTED_OUTPUT:]
        raise ToolFailed(f"{line}: exit status {process.returncode}\n{reported}")
    return output.decode("utf-8", "replace")


def start(argv: Sequence[str], stderr: int = subprocess.STDOUT, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Start a tool with a clean environment, by default without input and with standard error in its output.

    Raises:
        OSError: The tool can't be run.
    """
    # In a session of its own, so that all processes that it starts can be killed with it.
    return subprocess.Popen(
        list(argv),
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        cwd="/",
    )


def _communicate(process: subprocess.Popen[bytes], limit: float, given: str) -> tuple[bytes, bytes]:
    """Return the output and standard error, which is empty where it is merged into the output."""
    try:
        output, errors = process.communicate(given.encode("utf-8") if given else None, timeout=limit)
        return output, errors or b""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
