# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse steps whose files would not fit on their file system, or whose file system is read-only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence

from .._machine.plan import GenerateFile, Refusal, RemoveFile, RunTool, Step, WriteAttribute, WriteFile, is_draft
from .._plan.refusals import refuse

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Bytes to leave free for directories, and for what a tool writes beside its output.
MARGIN = 1 << 20
#: Bytes by which a regenerated file is assumed to grow at most: modules and their firmware in an initramfs.
_GROWTH = 10 << 20


def storage_refusals(tree: Tree, steps: Sequence[Step]) -> tuple[Refusal, ...]:
    """Return one refusal for each file system that can't store the files of these steps; none for a captured tree."""
    if not tree.live:
        return ()
    # Bytes by device number. Of drafts the largest counts: each replaces its file before the next one is begun.
    added: dict[int, int] = {}
    largest_draft: dict[int, int] = {}
    directories: dict[int, str] = {}
    read_only: dict[int, str] = {}
    for step in steps:
        if isinstance(step, (RunTool, WriteAttribute)):
            continue
        directory = _existing_directory(os.path.dirname(os.path.realpath(step.path)))
        device = os.stat(directory).st_dev
        directories.setdefault(device, directory)
        if isinstance(step, GenerateFile):
            largest_draft[device] = max(largest_draft.get(device, 0), _draft_size(step))
        added[device] = added.get(device, 0) + _added_bytes(step)
        if os.statvfs(directory).f_flag & os.ST_RDONLY:
            read_only.setdefault(device, step.path)
    refusals = []
    for device, directory in directories.items():
        status = os.statvfs(directory)
        free = status.f_bavail * status.f_frsize
        needed = added.get(device, 0) + largest_draft.get(device, 0) + MARGIN
        if device in read_only:
            refusals.append(refuse("boot_read_only", f"{read_only[device]} is on a read-only file system."))
        elif free < needed:
            refusals.append(
                refuse(
                    "boot_space_exhausted",
                    f"The file system of {directory} has {free >> 10} KiB free, but {needed >> 10} KiB are needed: "
                    "a new file is written beside the old one before it replaces it.",
                )
            )
    return tuple(refusals)


def _added_bytes(step: Step) -> int:
    """Return how many bytes a step adds to those in use, until all steps are done."""
    if isinstance(step, WriteFile):
        return len(step.content) + 4096
    if isinstance(step, RemoveFile) and is_draft(os.path.basename(step.path)):
        return -_size(step.path)  # drafts are removed before anything is written, and are not restored on failure
    return 0


def _draft_size(step: GenerateFile) -> int:
    size = _size(step.path)
    return size + min(size, _GROWTH)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _existing_directory(directory: str) -> str:
    """Return the directory itself, or its nearest parent that exists."""
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory
