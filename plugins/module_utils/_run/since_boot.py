# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what the machine would boot with is other than what it was booted with.

A machine that was booted with all that is wanted, and still does not show it, shows it no better after another reboot:
too little memory in one piece for the huge pages, a driver that did not let go. Told apart by a note that goes with
the boot, that machine is reported, and not rebooted on every run.
"""

from __future__ import annotations

from typing import Sequence

from .._apply.files import make_directories, take_snapshot, write
from .._machine.plan import CONFIGURED, RECORD, STAGED, Step, WriteFile
from .._probe.tree import Tree

_FOLDER = "/run/vfio-workstation"
#: /run is empty after a boot (Filesystem Hierarchy Standard 3.0, 3.15).
CHANGED_FILE = f"{_FOLDER}/changed-since-boot"
_TEXT = "Since the machine started, vfio.workstation has changed what it boots with, or handed a device over.\n"


def note_steps(tree: Tree, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return what notes that the machine will boot otherwise than it was booted; a captured one boots no more.

    Args:
        tree: The machine's files.
        steps: What is to be done. The note belongs before it: a run that is killed has changed something, too.
    """
    if not _changes(steps) or not tree.live or tree.exists(CHANGED_FILE):
        return ()
    return (WriteFile(CHANGED_FILE, _TEXT, RECORD, "note that the machine boots otherwise from now on"),)


def note_now(root: str) -> None:
    """Note that a device is in other hands than the boot has left it in.

    Args:
        root: Folder of the machine's files; `/` but in tests.

    Raises:
        OSError: /run can't be written to.
    """
    prefix = root.rstrip("/")
    make_directories(prefix + _FOLDER)
    write(prefix + CHANGED_FILE, _TEXT.encode(), None, take_snapshot(prefix + CHANGED_FILE))


def is_changed(tree: Tree, steps: Sequence[Step]) -> bool:
    """Return whether the machine would boot otherwise than it was booted, as far as more than arguments goes."""
    return _changes(steps) or tree.exists(CHANGED_FILE)


def _changes(steps: Sequence[Step]) -> bool:
    return any(step.effect in (CONFIGURED, STAGED) for step in steps)
