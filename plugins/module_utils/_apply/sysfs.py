# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel operations that may block for as long as a driver hangs: sysfs attributes and module loading.

A write to `unbind` returns when the driver has released the device. If the driver does not release it, the writing
process is stuck in the kernel, where no signal reaches it. So a child process does the write, and is abandoned when its
time is up. It inherits no open files, so it holds up nobody: neither the next run, which needs our lock, nor the reader
of our output, which waits for the end of it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Sequence

from .commands import ToolFailed, start

# One write(2), as sysfs requires. No O_CREAT: an attribute that does not exist must not be created.
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
#: Characters of a failed child's output to report: the last ones.
_REPORTED_OUTPUT = 2000

#: Processes that are still stuck in the kernel. Referenced here, because Python warns when a running child is dropped.
ABANDONED: list[subprocess.Popen[bytes]] = []


class AttributeFailed(Exception):
    """The kernel rejected a value; the message has the attribute's path and the kernel's reason."""


class KernelHang(Exception):
    """A process did not return from the kernel in time, and was abandoned there.

    Attributes:
        process: That process.
    """

    def __init__(self, message: str, process: subprocess.Popen[bytes]) -> None:
        super().__init__(message)
        self.process = process


def write_with_limit(path: str, value: str, limit: float) -> None:
    """Write a value and a newline to an attribute, in one write(2).

    Args:
        path: The attribute.
        value: Without the newline; an empty value clears a driver_override.
        limit: Seconds that the kernel may take.

    Raises:
        AttributeFailed: The kernel rejected the value.
        KernelHang: The write did not return in time.
    """
    operation = f"writing {value!r} to {path}"
    status, output = _run([sys.executable, "-I", "-S", "-c", _WRITER, path, value], limit, operation)
    if status:
        raise AttributeFailed(f"{operation}: {output}")


def is_responsive(path: str, limit: float) -> bool:
    """Return whether reading an attribute returns within so many seconds, with its value or with an error."""
    try:
        _run([sys.executable, "-I", "-S", "-c", _READER, path], limit, f"reading {path}")
    except KernelHang as error:
        error.process.kill()  # a read changes nothing; the kernel ends it as soon as the driver lets it go
        return False
    return True


def load_modules(argv: Sequence[str], limit: float) -> None:
    """Run modprobe, which is stuck in the kernel if a driver hangs while it starts.

    Args:
        argv: The command and its arguments.
        limit: Seconds that it may take.

    Raises:
        ToolFailed: It could not be run, or ended with a nonzero exit status.
        KernelHang: It did not end in time.
    """
    line = " ".join(argv)
    status, output = _run(argv, limit, line)
    if status:
        raise ToolFailed(f"{line}: exit status {status}\n{output}")


def _run(argv: Sequence[str], limit: float, operation: str) -> tuple[int, str]:
    """Return a child's exit status and the end of its output; abandon it if it does not end in time."""
    try:
        # No `with` statement: it would wait for the end of the child, which may never come.
        process = start(argv)
    except OSError as error:
        raise ToolFailed(f"{operation}: {error.strerror}") from error
    try:
        output, _errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        if process.stdout is not None:
            process.stdout.close()
        ABANDONED.append(process)
        raise KernelHang(f"{operation} did not return within {limit:.0f} s", process) from error
    return process.returncode, output.decode("utf-8", "replace").strip()[-_REPORTED_OUTPUT:]
