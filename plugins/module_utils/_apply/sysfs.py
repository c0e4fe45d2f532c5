# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes of the running kernel behind which a driver may hang.

A write to `unbind` comes back when the driver has let go. A driver that does not leaves the writer in the kernel, where
no signal reaches it. So a child does it, which is left behind when the time is up; it has no file of ours open, so that
nobody waits for it: neither for our lock nor for the end of our output.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Sequence

from .commands import ToolFailed, start

# One write(2), as attributes want it. No O_CREAT: what is not there is not to be made.
_WRITER = """
import os, sys
try:
    descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_CLOEXEC)
    os.write(descriptor, (sys.argv[2] + "\\n").encode())
except OSError as error:
    sys.exit(error.strerror)
"""
_READER = """
import os, sys
try:
    os.read(os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC), 4096)
except OSError as error:
    sys.exit(error.strerror)
"""
_END_OF_WORDS = 2000

#: Who waits in the kernel still. Kept, since whoever forgets a child that has not ended is warned of it.
LEFT_BEHIND: list[subprocess.Popen[bytes]] = []


class AttributeFailed(Exception):
    """The kernel did not take a value; the message has the path and the kernel's reason."""


class Hangs(Exception):
    """Something did not come back from the kernel in time, and a process that waits there was left behind.

    Attributes:
        process: That process.
    """

    def __init__(self, what: str, process: subprocess.Popen[bytes]) -> None:
        super().__init__(what)
        self.process = process


def write_in_time(path: str, value: str, limit: float) -> None:
    """Write a value to an attribute, in one call, with an end of line.

    Args:
        path: The attribute.
        value: Without the end of line; an empty one clears a driver_override.
        limit: Seconds that the kernel may take.

    Raises:
        AttributeFailed: The kernel did not take it.
        Hangs: The kernel did not come back in time.
    """
    status, said = _run([sys.executable, "-I", "-S", "-c", _WRITER, path, value], limit, f"writing {value!r} to {path}")
    if status:
        raise AttributeFailed(f"writing {value!r} to {path}: {said}")


def answers(path: str, limit: float) -> bool:
    """Tell whether an attribute can be read within so many seconds, or is not there: reading it does not hang."""
    try:
        _run([sys.executable, "-I", "-S", "-c", _READER, path], limit, f"reading {path}")
    except Hangs as error:
        error.process.kill()  # it had nothing to do but wait; the kernel lets it go when the driver does
        return False
    return True


def load(argv: Sequence[str], limit: float) -> None:
    """Load modules; a driver that hangs while it starts leaves modprobe in the kernel.

    Raises:
        ToolFailed: It could not be run, or says that it failed.
        Hangs: It did not end in time.
    """
    line = " ".join(argv)
    status, said = _run(argv, limit, line)
    if status:
        raise ToolFailed(f"{line}: exit status {status}\n{said}")


def _run(argv: Sequence[str], limit: float, what: str) -> tuple[int, str]:
    """Return a child's exit status and what it said, or leave it behind."""
    try:
        # No `with`: that would wait for the child's end, which may never come.
        process = start(argv)
    except OSError as error:
        raise ToolFailed(f"{what}: {error.strerror}") from error
    try:
        output, _errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        if process.stdout is not None:
            process.stdout.close()
        LEFT_BEHIND.append(process)
        raise Hangs(f"{what} did not come back within {limit:.0f} s", process) from error
    return process.returncode, output.decode("utf-8", "replace").strip()[-_END_OF_WORDS:]
