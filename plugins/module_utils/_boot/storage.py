# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether there is room for what is to be written, and leave to write it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence

from .._machine.plan import GenerateFile, Refusal, RemoveFile, RunTool, Step, WriteFile
from .._plan.refusals import refuse

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Bytes beyond what is counted: folders, and what a tool writes beside its output.
MARGIN = 1 << 20


def storage_refusals(tree: Tree, steps: Sequence[Step]) -> tuple[Refusal, ...]:
    """Return why the files of these steps can't be written, one refusal for each file system. A capture has none."""
    if not tree.live:
        return ()
    needed: dict[int, int] = {}
    folders: dict[int, str] = {}
    read_only: dict[int, str] = {}
    for step in steps:
        if isinstance(step, RunTool):
            continue
        folder = _nearest_folder(os.path.dirname(os.path.realpath(step.path)))
        device = os.stat(folder).st_dev
        folders.setdefault(device, folder)
        needed[device] = needed.get(device, 0) + _size(step)
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            read_only.setdefault(device, step.path)
    found = []
    for device, folder in folders.items():
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
        if device in read_only:
            found.append(refuse("boot_read_only", f"{read_only[device]} is on a file system that is read-only."))
        elif free < needed[device] + MARGIN:
            found.append(
                refuse(
                    "boot_space_exhausted",
                    f"The file system of {folder} has {free >> 10} KiB free; {(needed[device] + MARGIN) >> 10} KiB are "
                    "needed to write beside what is there before it is replaced.",
                )
            )
    return tuple(found)


def _size(step: WriteFile | RemoveFile | GenerateFile) -> int:
    if isinstance(step, WriteFile):
        return len(step.content) + 4096
    if isinstance(step, GenerateFile):
        try:
            return os.stat(step.path).st_size
        except OSError:
            return 0
    return 0


def _nearest_folder(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
