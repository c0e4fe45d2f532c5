# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether there is room for what is to be written, and leave to write it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence

from .._machine.plan import GenerateFile, Refusal, RemoveFile, RunTool, Step, WriteAttribute, WriteFile, is_draft
from .._plan.refusals import refuse

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Bytes beyond what is counted: folders, and what a tool writes beside its output.
MARGIN = 1 << 20
#: By this many bytes at most is a file that is made anew taken to grow: modules and their firmware in an initramfs.
_GROWTH = 10 << 20


def storage_refusals(tree: Tree, steps: Sequence[Step]) -> tuple[Refusal, ...]:
    """Return why the files of these steps can't be written, one refusal for each file system. A capture has none."""
    if not tree.live:
        return ()
    written: dict[int, int] = {}  # by all files together
    draft: dict[int, int] = {}  # the largest: one is in its file's place before the next is begun
    folders: dict[int, str] = {}
    read_only: dict[int, str] = {}
    for step in steps:
        if isinstance(step, (RunTool, WriteAttribute)):
            continue
        folder = _nearest_folder(os.path.dirname(os.path.realpath(step.path)))
        device = os.stat(folder).st_dev
        folders.setdefault(device, folder)
        if isinstance(step, GenerateFile):
            draft[device] = max(draft.get(device, 0), _draft_size(step))
        written[device] = written.get(device, 0) + _growth(step)
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            read_only.setdefault(device, step.path)
    found = []
    for device, folder in folders.items():
        status = os.statvfs(folder)
        free = status.f_bavail * status.f_frsize
        needed = written.get(device, 0) + draft.get(device, 0) + MARGIN
        if device in read_only:
            found.append(refuse("boot_read_only", f"{read_only[device]} is on a file system that is read-only."))
        elif free < needed:
            found.append(
                refuse(
                    "boot_space_exhausted",
                    f"The file system of {folder} has {free >> 10} KiB free; {needed >> 10} KiB are "
                    "needed to write beside what is there before it is replaced.",
                )
            )
    return tuple(found)


def _growth(step: Step) -> int:
    """Return how many bytes a step adds to what is there until all steps are done."""
    if isinstance(step, WriteFile):
        return len(step.content) + 4096
    if isinstance(step, RemoveFile) and is_draft(os.path.basename(step.path)):
        return -_size(step.path)  # it goes before anything is written, and is not put back
    return 0


def _draft_size(step: GenerateFile) -> int:
    size = _size(step.path)
    return size + min(size, _GROWTH)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _nearest_folder(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
