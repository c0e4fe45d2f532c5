# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting processes that end with us, in whatever way we are asked to end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import IO

from .command import ROOT, say

GRACE_SECONDS = 20


def supervise(
    argv: Sequence[str], environment: dict[str, str], pass_fds: Sequence[int] = (), log: IO[str] | None = None
) -> int:
    """Run a command in a process group of its own, and end all of that group when we are told to end.

    Args:
        argv: The command.
        environment: Its environment.
        pass_fds: Descriptors that it inherits.
        log: File for its output, which is ours otherwise.

    Returns:
        Its exit status.
    """
    child = None
    try:
        with signals_wait():
            child = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        return child.wait()
    except BaseException:  # KeyboardInterrupt and the SystemExit of a signal too; raised again when all has ended
        with signals_wait():
            if child is not None:
                say("interrupted: ending what was started")
                _end(child)
        raise


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE_SECONDS)
        os.killpg(child.pid, signal.SIGKILL)  # also what ignores SIGINT, as a shell's background jobs do
    child.wait()


@contextlib.contextmanager
def signals_end_us() -> Iterator[None]:
    """Make the signals that ask a process to end unwind it, so that what it started is cleaned up."""

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handling(unwind):
        yield


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Put those signals off: while a process starts, whose number is not known yet, and while cleaning up."""
    came: list[int] = []
    with _handling(lambda number, _frame: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
