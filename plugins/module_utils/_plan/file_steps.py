# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps for the files that this collection owns as a whole: write what differs, remove what is no longer requested."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine.initramfs import File
from .._machine.plan import CONFIGURED, Refusal, RemoveFile, Step, WriteFile
from .own_files import is_ours
from .refusals import refuse


class ExistingFile(NamedTuple):
    """A file as it is on the machine."""

    content: str
    mode: int


def file_steps(
    section: str, owned: Sequence[str], files: Sequence[File], existing: Mapping[str, ExistingFile]
) -> Iterator[Step]:
    """Yield the steps after which a section has its files, and no others.

    Args:
        section: Name of the section, for the reasons.
        owned: The paths of all files that the section may have.
        files: The files that it must have.
        existing: Those of the owned files that exist, by path.
    """
    for file in files:
        if existing.get(file.path) != ExistingFile(file.content, file.mode):
            yield WriteFile(file.path, file.content, CONFIGURED, f"{section}: write {file.path}", file.mode)
    requested = {file.path for file in files}
    for path in owned:
        # A foreign file at an owned path stays.
        if path in existing and path not in requested and is_ours(existing[path].content):
            yield RemoveFile(path, CONFIGURED, f"{section}: {path} is no longer requested")


def foreign_files(files: Sequence[File], existing: Mapping[str, ExistingFile]) -> Iterator[Refusal]:
    """Yield a refusal for each file whose path has a foreign file."""
    for file in files:
        if file.path in existing and not is_ours(existing[file.path].content):
            first_line = existing[file.path].content.split("\n", 1)[0][:80]
            seen = f"{file.path} exists and was not written by this collection; it begins with {first_line!r}"
            yield refuse("file_is_not_ours", seen)
