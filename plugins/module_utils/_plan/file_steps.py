# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole files that are ours: written where they are not as they shall be, removed where they shall not be."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine.initramfs import File
from .._machine.plan import CONFIGURED, Refusal, RemoveFile, Step, WriteFile
from .own_files import is_ours
from .refusals import refuse


class Found(NamedTuple):
    """A file of ours as it is."""

    content: str
    mode: int


def file_steps(section: str, owned: Sequence[str], files: Sequence[File], found: Mapping[str, Found]) -> Iterator[Step]:
    """Yield what brings a section's files about.

    Args:
        section: Its name, for the reasons.
        owned: The paths of all files that the section may have.
        files: Those that it shall have.
        found: Those of them that are there.
    """
    for file in files:
        if found.get(file.path) != Found(file.content, file.mode):
            yield WriteFile(file.path, file.content, CONFIGURED, f"{section}: write {file.path}", file.mode)
    wanted = {file.path for file in files}
    for path in owned:
        # What somebody put there by our name stays.
        if path in found and path not in wanted and is_ours(found[path].content):
            yield RemoveFile(path, CONFIGURED, f"{section}: {path} is not wanted any more")


def foreign_files(files: Sequence[File], found: Mapping[str, Found]) -> Iterator[Refusal]:
    """Yield which of the files that shall be there would take the place of somebody else's."""
    for file in files:
        if file.path in found and not is_ours(found[file.path].content):
            first = found[file.path].content.split("\n", 1)[0][:80]
            yield refuse("file_is_not_ours", f"{file.path} is there, and was not made by this collection: {first!r}")
