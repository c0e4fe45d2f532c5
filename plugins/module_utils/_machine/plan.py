# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps that change a machine, refusals, and the three states of a request.

    configured   the files that future kernels inherit from contain the request
    staged       every installed kernel boots with it: its entry and its initramfs contain it
    active       the running kernel shows it

A reboot is needed when a request is staged and not active.
"""

from __future__ import annotations

from typing import NamedTuple, Union

#: The effect of a step. While a step with CONFIGURED is pending, future kernels do not inherit the request; while one
#: with STAGED is pending, some installed kernel boots without it. RECORD updates a record of this collection. ACTIVE
#: changes the running system rather than files: it is tried once per boot; what it can't achieve is left to a reboot.
CONFIGURED, STAGED, RECORD, ACTIVE = "configured", "staged", "record", "active"


class WriteFile(NamedTuple):
    """Replace a file atomically: the old content stays until all of the new content is on the disk."""

    path: str
    content: str
    effect: str
    reason: str
    mode: int | None = None  # None: keep the mode; 0644 for a new file


class OverwriteFile(NamedTuple):
    """Write over a file's content in place, with content of the same size.

    A boot loader that writes to the file's blocks must find them where the file is: a file that replaces another has
    new ones, which are in the journal only for a while. A power cut must not tear the difference: it is in one sector.
    """

    path: str
    content: str
    effect: str
    reason: str


class RemoveFile(NamedTuple):
    """Remove a file."""

    path: str
    effect: str
    reason: str


class MoveFile(NamedTuple):
    """Rename a file within its file system, with its mode, owner and extended attributes; replace what is there."""

    path: str
    to: str
    effect: str
    reason: str


class GenerateFile(NamedTuple):
    """Have a tool write a draft beside a file; replace the file with the draft when it passes its check."""

    path: str
    argv: tuple[str, ...]  # DRAFT stands for the draft's path
    check: str  # name of the check that the draft must pass
    effect: str
    reason: str


class RunTool(NamedTuple):
    """Run a tool that replaces its own files safely."""

    argv: tuple[str, ...]
    effect: str
    reason: str


class WriteAttribute(NamedTuple):
    """Write a value to an attribute of the running kernel, which may apply only part of it."""

    path: str
    value: str
    effect: str
    reason: str


class WriteVariable(NamedTuple):
    """Set an EFI variable of text, or remove it. The firmware does it at once or not at all, also at a power cut."""

    path: str  # in efivarfs
    value: str | None  # None: remove it
    effect: str
    reason: str


class MakeMedium(NamedTuple):
    """Have a tool make a medium of files with secrets. Neither is shown in a diff, and only root can read them."""

    path: str
    content: tuple[tuple[str, str], ...]  # paths on the medium, and texts
    argv: tuple[str, ...]  # DRAFT stands for the draft's path, CONTENT for the directory with the files
    effect: str
    reason: str


class MakeImage(NamedTuple):
    """Have a tool make the image of a disk. The step fails where the path exists: it may be the disk of a guest."""

    path: str
    argv: tuple[str, ...]  # DRAFT stands for the draft's path
    effect: str
    reason: str


class RemoveMedium(NamedTuple):
    """Remove such a medium."""

    path: str
    effect: str
    reason: str


#: Placeholders in the arguments of a tool: the path that it writes to, and the directory that it reads.
DRAFT, CONTENT = "{draft}", "{content}"

#: Suffix of a draft's name. The name begins with a dot, so that no tool takes the draft for one of its files.
DRAFT_END = ".vfio-workstation~"
#: Suffix that grub-mkconfig appends to the name of its output file for a draft of its own.
TOOLS_DRAFT_END = ".new"

Step = Union[
    WriteFile,
    OverwriteFile,
    RemoveFile,
    MoveFile,
    GenerateFile,
    RunTool,
    WriteAttribute,
    WriteVariable,
    MakeMedium,
    MakeImage,
    RemoveMedium,
]


class Refusal(NamedTuple):
    """A reason not to apply a plan: a result, not an error."""

    code: str  # a key of _plan.refusals.CODES
    seen: str  # what was found, with file, line and content
    danger: str  # the harm that applying the plan would do
    remedy: str  # what the user can do
    because: str | None = None  # the code of the refusal whose cause is that of this one too; None if it has its own


class States(NamedTuple):
    """The states of a request; see the top of this file."""

    configured: bool
    staged: bool
    active: bool | None  # None where the running kernel can't be asked


def is_draft(name: str) -> bool:
    """Tell whether a file name is that of a draft of this collection, or of a tool's own draft of one."""
    return name.startswith(".") and name.endswith((DRAFT_END, DRAFT_END + TOOLS_DRAFT_END))
