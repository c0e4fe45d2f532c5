# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program on a disk's image, and learn from strace(1) which bytes of the image it read and wrote.

A program that gets the same bytes does the same. So what a request changes outside of the bytes that a program read
does not change what the program would print.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import tempfile
import typing

from tests.lab.errors import LabError

from .spans import Span, Spans

_CALLS = ("open", "openat", "close", "lseek", "read", "pread64", "write", "pwrite64", "fallocate", "ftruncate", "fsync")
# Names of files are printed whole, the data that is read and written is not. The image need not survive: flushing it to
# the disk of this computer would take most of the time.
_OPTIONS = ("-qq", "-s", "0", "-e", f"trace={','.join(_CALLS)}", "-e", "inject=fsync:retval=0")
_LINE = re.compile(r"^(?P<call>\w+)\((?P<arguments>.*)\)\s+= (?P<result>\d+)")


class Run(typing.NamedTuple):
    """What a program printed, and what it did with the image."""

    status: int
    output: bytes
    error: str
    reads: Spans
    writes: Spans


def run(
    argv: typing.Sequence[str | pathlib.Path], image: pathlib.Path, environment: dict[str, str] | None = None
) -> Run:
    """Run a program that opens an image, and starts no other program that does."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace", prefix="strace-") as trace:
        try:
            done = subprocess.run(
                ["strace", *_OPTIONS, "-o", trace.name, "--", *argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                env=environment,
            )
        except FileNotFoundError as error:
            raise LabError(f"{error.filename} is not installed: scripts/setup-debian lab installs it") from error
        # GRUB's programs resolve links before they open a file.
        follower = _Follower({str(image), str(image.resolve())})
        for line in trace:
            follower.follow(line)
    return Run(
        done.returncode,
        done.stdout,
        done.stderr.decode(errors="replace").strip(),
        Spans(follower.reads),
        Spans(follower.writes),
    )


class _Follower:
    """Reads strace's lines, and keeps where the process is in the image."""

    def __init__(self, names: set[str]) -> None:
        self.reads: list[Span] = []
        self.writes: list[Span] = []
        self._names = [f'"{name}"' for name in names]
        self._positions: dict[int, int] = {}  # by descriptor of the image

    def follow(self, line: str) -> None:
        """Take in a line; calls that failed have no effect."""
        match = _LINE.match(line)
        if match is None:
            return
        call, arguments, result = match["call"], match["arguments"], int(match["result"])
        if call in ("open", "openat"):
            if any(name in arguments for name in self._names):
                self._positions[result] = 0
            return
        descriptor = int(arguments.partition(",")[0])
        if descriptor in self._positions:
            self._use(call, descriptor, arguments, result)

    def _use(self, call: str, descriptor: int, arguments: str, result: int) -> None:
        if call == "close":
            del self._positions[descriptor]
        elif call == "lseek":
            self._positions[descriptor] = result
        elif call in ("pread64", "pwrite64"):
            start = int(arguments.rpartition(", ")[2])
            self._note(call, start, result)
        elif call in ("read", "write"):
            self._note(call, self._positions[descriptor], result)
            self._positions[descriptor] += result
        elif call != "fsync":
            raise LabError(f"{call} changes {self._names[0]}, which is not followed")

    def _note(self, call: str, start: int, size: int) -> None:
        (self.reads if "read" in call else self.writes).append((start, start + size))
