# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done to a machine, or why it must not be done."""

from __future__ import annotations

from typing import NamedTuple, Union

#: What a step achieves. While one of CONFIGURED is pending, future kernels would not inherit the request; while one
#: of STAGED is, some installed kernel would boot without it. RECORD is our own book-keeping. ACTIVE changes the running
#: system beyond what files hold: it is tried once a boot, and what it could not bring is for the next boot.
CONFIGURED, STAGED, RECORD, ACTIVE = "configured", "staged", "record", "active"


class WriteFile(NamedTuple):
    """Replace a file's content by rename; what was there stays until all of the new is on the disk."""

    path: str
    content: str
    effect: str
    reason: str
    mode: int | None = None  # None: as it is, 0644 for a new file


class RemoveFile(NamedTuple):
    """Remove a file, and no other."""

    path: str
    effect: str
    reason: str


class GenerateFile(NamedTuple):
    """Have a tool write a draft beside a file; replace the file by it when the draft passes its check."""

    path: str
    argv: tuple[str, ...]  # DRAFT stands for the draft's path
    check: str  # a name of _boot.checks
    effect: str
    reason: str


class RunTool(NamedTuple):
    """Run a tool that replaces its own files safely."""

    argv: tuple[str, ...]
    effect: str
    reason: str


class WriteAttribute(NamedTuple):
    """Write a value to an attribute of the running kernel, which may take less than all of it."""

    path: str
    value: str
    effect: str
    reason: str


#: In the arguments of a tool: the path that it shall write to.
DRAFT = "{draft}"

#: What a draft's name ends with; it begins with a dot, so that no tool takes it for one of its files.
DRAFT_END = ".vfio-workstation~"
#: What grub-mkconfig appends to a name for a draft of its own.
TOOLS_DRAFT_END = ".new"

Step = Union[WriteFile, RemoveFile, GenerateFile, RunTool, WriteAttribute]


class Refusal(NamedTuple):
    """Why nothing is done: a result, not an error."""

    code: str  # a key of _plan.refusals.CODES
    seen: str  # what was found, with file, line and content
    danger: str  # what would come of it
    remedy: str  # what the person can do


class States(NamedTuple):
    """How far a request has come. Reboot when it is staged and not active."""

    configured: bool  # the files that future kernels inherit from hold it
    staged: bool  # every installed kernel would boot with it
    active: bool | None  # the running kernel shows it; None where that can't be read


def is_draft(name: str) -> bool:
    """Tell whether a file has the name of a draft of ours, or of the draft that a tool makes of one."""
    return name.startswith(".") and name.endswith((DRAFT_END, DRAFT_END + TOOLS_DRAFT_END))
