# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a tool: an argument list, never a shell line; in the C locale; its exit status always looked at."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Sequence

#: Seconds. An initramfs takes minutes on a slow machine; what takes longer than this hangs.
LIMIT = 3600.0
#: Of what a tool says, the end is what tells: it comes last that it failed.
_WORDS = 4000

# The distribution's own places: what a user has in front of them must not take their part.
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "HOME": "/root",
    "TERM": "dumb",
}
_ENV = "/usr/bin/env"


class ToolFailed(Exception):
    """A tool could not be run, or ended with an exit status that is not 0; the message has its own words."""


def tool_line(argv: Sequence[str]) -> str:
    """Return a tool's line for a person: where env(1) only sets something for it, the tool first and that behind it."""
    if not argv or argv[0] != _ENV:
        return " ".join(argv)
    rest = list(argv[1:])
    settings = []
    while rest and (rest[0] == "-u" or "=" in rest[0]):
        if rest[0] == "-u":
            del rest[:2]
        else:
            settings.append(rest.pop(0))
    if not rest:
        return " ".join(argv)
    return " ".join(rest) + (f" (with {' '.join(settings)})" if settings else "")


def tool_name(argv: Sequence[str]) -> str:
    """Return what is run, whatever env(1) sets for it."""
    return tool_line(argv).partition(" ")[0]


def run(argv: Sequence[str], limit: float = LIMIT) -> str:
    """Run a tool, and return what it printed, errors included.

    Args:
        argv: The tool and its arguments.
        limit: Seconds after which it is ended, with all that it started.

    Raises:
        ToolFailed: It could not be run, did not end in time, or says that it failed.
    """
    line = tool_line(argv)
    try:
        with start(argv) as process:
            output = _communicate(process, limit)
    except OSError as error:
        raise ToolFailed(f"{line}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{line}: it did not end within {limit:.0f} s, and was ended") from error
    said = output.decode("utf-8", "replace")
    if process.returncode != 0:
        raise ToolFailed(f"{line}: exit status {process.returncode}\n{said.strip()[-_WORDS:]}")
    return said


def start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a tool in an environment of its own, its errors among its output.

    Raises:
        OSError: It can't be run.
    """
    # A session of its own, so that all it started can be ended with it.
    return subprocess.Popen(
        list(argv),
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd="/",
    )


def _communicate(process: subprocess.Popen[bytes], limit: float) -> bytes:
    try:
        return process.communicate(timeout=limit)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
