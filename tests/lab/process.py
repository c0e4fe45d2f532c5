# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU as a child that cannot be left behind: it dies with us, is found again by its lock, is ended by its pid."""

from __future__ import annotations

import atexit
import os
import pathlib
import signal
import subprocess
import time
import typing
import weakref

from . import files
from .errors import LabError

PROGRAM = "qemu-system-x86_64"


class QemuProcess:
    """One QEMU in one run folder. The folder's lock is held by QEMU itself, for exactly as long as it runs."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether a QEMU runs in this folder, started by us or by anyone."""
        if self._child is not None:
            return self._child.poll() is None
        descriptor = files.try_lock(self.folder / "lock")
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def start(self, arguments: typing.Sequence[str], *, outlive: bool = False) -> None:
        """Start it; with outlive it goes on after us, else the kernel ends it when we end, in whatever way."""
        descriptor = files.try_lock(self.folder / "lock")
        if descriptor is None:
            raise LabError(f"a machine is running in {self.folder} already")
        argv = [PROGRAM, *arguments]
        if not outlive:
            argv = ["setpriv", "--pdeathsig", "KILL", "--", *argv]
        try:
            with (self.folder / "qemu.log").open("ab") as log:
                self._child = subprocess.Popen(
                    argv,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(descriptor,),
                    # Ctrl-C reaches us alone; we then end QEMU in good order.
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            raise LabError(f"{error.filename} is not installed: scripts/setup-debian lab installs it") from error
        finally:
            os.close(descriptor)
        files.write(self.folder / "pid", f"{self._child.pid}\n")
        if not outlive:
            _CHILDREN.add(self)

    def wait(self, timeout: float) -> bool:
        """Whether it ended by itself within that time."""
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if not self.running:
            return
        # The lock is held, so the pid is still QEMU's.
        os.kill(int((self.folder / "pid").read_text(encoding="ascii")), signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
        elif not self.wait(10):
            raise LabError(f"the QEMU in {self.folder} does not end")

    def complaint(self) -> str:
        """What QEMU itself said last."""
        path = self.folder / "qemu.log"
        return path.read_text(encoding="utf-8", errors="replace")[-2000:].strip() if path.exists() else ""


_CHILDREN: weakref.WeakSet[QemuProcess] = weakref.WeakSet()


@atexit.register
def _end_children() -> None:
    for process in list(_CHILDREN):
        process.kill()
