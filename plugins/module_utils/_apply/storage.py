# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuse steps whose files would not fit on their file system, or whose file system is read-only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Sequence, Union

from .._machine.plan import (
    GenerateFile,
    MakeImage,
    MakeMedium,
    MoveFile,
    OverwriteFile,
    Refusal,
    RemoveFile,
    RemoveMedium,
    RunTool,
    Step,
    WriteAttribute,
    WriteFile,
    WriteVariable,
    is_draft,
)
from .._plan.refusals import refuse

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Bytes to leave free for directories, and for what a tool writes beside its output.
MARGIN = 1 << 20
#: Bytes by which a regenerated file is assumed to grow at most: modules and their firmware in an initramfs.
_GROWTH = 10 << 20
#: Bytes of an ISO 9660 file system without content: volume descriptors, directories, padding.
_MEDIUM_SIZE = 1 << 20

_FileStep = Union[WriteFile, OverwriteFile, RemoveFile, MoveFile, GenerateFile, MakeMedium, MakeImage, RemoveMedium]


def storage_refusals(tree: Tree, steps: Sequence[Step]) -> tuple[Refusal, ...]:
    """Return one refusal for each file system that can't store the files of these steps; none for a captured tree."""
    if not tree.live:
        return ()
    refusals = (_refusal(directory, steps_there) for directory, steps_there in _by_file_system(steps).items())
    return tuple(refusal for refusal in refusals if refusal is not None)


def _by_file_system(steps: Sequence[Step]) -> dict[str, list[_FileStep]]:
    """Return the steps that write, rename or remove files, by a directory of their file system."""
    directories: dict[int, str] = {}  # by device number
    by_directory: dict[str, list[_FileStep]] = {}
    for step in steps:
        if not isinstance(step, (RunTool, WriteAttribute, WriteVariable)):
            directory = _existing_directory(step.path)
            directory = directories.setdefault(os.stat(directory).st_dev, directory)
            by_directory.setdefault(directory, []).append(step)
    return by_directory


def _refusal(directory: str, steps: Sequence[_FileStep]) -> Refusal | None:
    """Return why the file system of a directory can't store the files of these steps; None if it can."""
    # Each path by itself: a file system may be mounted twice, once read-only.
    read_only = [step.path for step in steps if os.statvfs(_existing_directory(step.path)).f_flag & os.ST_RDONLY]
    if read_only:
        return refuse("boot_read_only", f"{read_only[0]} is on a read-only file system.")
    # Of drafts the largest counts: each replaces its file before the next one is begun.
    largest_draft = max((_draft_size(step) for step in steps if isinstance(step, GenerateFile)), default=0)
    needed = sum(map(_added_bytes, steps)) + largest_draft + MARGIN
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free >= needed:
        return None
    return refuse(
        "boot_space_exhausted",
        f"The file system of {directory} has {free >> 10} KiB free, but {needed >> 10} KiB are needed: "
        "a new file is written beside the old one before it replaces it.",
    )


def _added_bytes(step: Step) -> int:
    """Return how many bytes a step adds to those in use, until all steps are done."""
    if isinstance(step, WriteFile):
        return len(step.content) + 4096
    if isinstance(step, MakeMedium):
        return _MEDIUM_SIZE + sum(len(text) for _path, text in step.content)
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


def _existing_directory(path: str) -> str:
    """Return the directory of a file, or its nearest parent that exists."""
    directory = os.path.dirname(os.path.realpath(path))
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory
