# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A marker in /run: the boot configuration was changed since the machine was booted.

A machine that was booted with the whole request, and still does not show all of it, gains nothing from another reboot:
memory may be too fragmented for the huge pages, or a driver may have kept its device. Without the marker, such a
machine is reported instead of rebooted on every run.
"""

from __future__ import annotations

from typing import Sequence

from .._apply.files import make_directories, take_snapshot, write
from .._machine.plan import CONFIGURED, RECORD, STAGED, Step, WriteFile
from .._probe.tree import Tree

_FOLDER = "/run/vfio-workstation"
#: /run is emptied by every boot (Filesystem Hierarchy Standard 3.0, 3.15).
CHANGED_FILE = f"{_FOLDER}/changed-since-boot"
_TEXT = "Since the last boot, vfio.workstation has changed the boot configuration or the driver of a device.\n"


def note_steps(tree: Tree, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the step that writes the marker, if steps change the boot configuration of a live machine.

    Args:
        tree: The machine's files.
        steps: The steps of the run. The marker must precede them, because a run that is killed has changed something.
    """
    if not _changes(steps) or not tree.live or tree.exists(CHANGED_FILE):
        return ()
    return (
        WriteFile(CHANGED_FILE, _TEXT, RECORD, "record that the boot configuration has changed since the last boot"),
    )


def note_now(root: str) -> None:
    """Write the marker at once, for a device that is handed to another driver.

    Args:
        root: Folder of the machine's files; `/` except in tests.

    Raises:
        OSError: /run is not writable.
    """
    prefix = root.rstrip("/")
    make_directories(prefix + _FOLDER)
    write(prefix + CHANGED_FILE, _TEXT.encode(), None, take_snapshot(prefix + CHANGED_FILE))


def is_changed(tree: Tree, steps: Sequence[Step]) -> bool:
    """Return whether the boot configuration, kernel arguments aside, has changed since boot or will by these steps."""
    return _changes(steps) or tree.exists(CHANGED_FILE)


def _changes(steps: Sequence[Step]) -> bool:
    return any(step.effect in (CONFIGURED, STAGED) for step in steps)
