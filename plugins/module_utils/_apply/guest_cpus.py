# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reserve the CPUs for guests while a guest of ours runs: the unit of dynamic CPU isolation.

Each guest has a file in a folder of /run. A file whose guest has no process any more is removed whenever another guest
ends: libvirt runs the hook also for guests that were killed, and when its daemon starts for those that ended before.
A host whose units fail starts its guests all the same: isolation is for speed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from typing import Callable, Iterator, Sequence

from .._plan.isolation import UNIT, UNIT_FILE
from .._probe.processes import guest_names
from .._probe.tree import Tree
from .commands import ToolFailed, run
from .lock import locked

_STATE = "/run/vfio-workstation"
_GUESTS = f"{_STATE}/guests"
_LOCK = f"{_STATE}/guests.lock"
#: Seconds that another guest may take from the check before its start to its process.
_STARTING = 300.0
#: Seconds that the unit may take; TimeoutSec= of the unit, and some.
_LIMIT = 150.0


class GuestCpus:
    """The reservation of CPUs.

    Args:
        root: Folder of the host's files.
        runner: Runs a tool.
    """

    def __init__(self, root: str = "/", runner: Callable[[Sequence[str], float], object] = run) -> None:
        self._root = root
        self._prefix = root.rstrip("/")
        self._runner = runner

    def hold(self, name: str) -> None:
        """Reserve the CPUs for a guest; nothing happens where the host has no unit for that."""
        if not Tree(self._root).exists(UNIT_FILE):
            return
        with self._locked():
            os.makedirs(self._prefix + _GUESTS, 0o755, exist_ok=True)
            with open(self._path(name), "w", encoding="utf-8") as file:
                file.write(f"{name}\n")
            self._systemctl("start")

    def release(self, name: str) -> None:
        """Return the CPUs to the host, unless another guest runs."""
        if not os.path.isdir(self._prefix + _GUESTS):
            return
        with self._locked():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
            self._remove_stale()
            if not os.listdir(self._prefix + _GUESTS):
                self._systemctl("stop")
                os.rmdir(self._prefix + _GUESTS)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        os.makedirs(self._prefix + _STATE, 0o755, exist_ok=True)
        with locked(self._prefix + _LOCK, _LIMIT):
            yield

    def _path(self, name: str) -> str:
        # A name may have any character but a slash, and be longer than a file name may be.
        return f"{self._prefix}{_GUESTS}/{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()}"

    def _remove_stale(self) -> None:
        running = {self._path(name) for name in guest_names(Tree(self._root))}
        for entry in os.listdir(self._prefix + _GUESTS):
            path = f"{self._prefix}{_GUESTS}/{entry}"
            if path not in running and time.time() - os.stat(path).st_mtime > _STARTING:
                os.unlink(path)

    def _systemctl(self, verb: str) -> None:
        with contextlib.suppress(ToolFailed):  # the journal has why
            self._runner(("systemctl", verb, UNIT), _LIMIT)
