# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out steps: all of them, or none."""

from __future__ import annotations

import os
import stat
from types import TracebackType
from typing import Callable, Mapping, NamedTuple, Sequence

from .._machine.plan import DRAFT, GenerateFile, RemoveFile, RunTool, Step, WriteAttribute, WriteFile, is_draft
from . import files
from .commands import ToolFailed, run, tool_name

#: Looks at a draft, and returns what is wrong with it, as sentences.
Check = Callable[[str], Sequence[str]]


class Failed(Exception):
    """A step could not be carried out, and everything is as it was; the message says which, why, and in whose words."""


class NotPutBack(Failed):
    """As Failed, but not everything is as it was; the message names what could not be put back, and why."""


class Receipt(NamedTuple):
    """What was done."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    tools: tuple[str, ...]  # the lines of the tools that were run


class Transaction:
    """Steps that are undone together: as a context manager, when its body ends by an error.

    Args:
        checks: By the name that a step gives: what a draft must pass before it replaces a file.
        root: Folder of the machine's files; `/` but in tests. Tools see their arguments as they are.
        runner: Runs a tool.
    """

    def __init__(
        self, checks: Mapping[str, Check], root: str = "/", runner: Callable[[Sequence[str]], str] = run
    ) -> None:
        self._checks = checks
        self._prefix = root.rstrip("/")
        self._runner = runner
        self._kept: list[files.Kept] = []
        self._folders: list[str] = []  # that were made
        self._attributes: list[tuple[str, str]] = []  # with their values as they were
        self._tools: list[str] = []
        self._written: list[str] = []
        self._removed: list[str] = []

    @property
    def receipt(self) -> Receipt:
        """What was done so far."""
        return Receipt(tuple(self._written), tuple(self._removed), tuple(self._tools))

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        left = self.undo()
        if left:
            raise NotPutBack(f"{error}\nThese could not be put back: {'; '.join(left)}") from error

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out steps in their order.

        Raises:
            Failed: One could not be. Leave the context for all of them to be undone.
        """
        for step in steps:
            try:
                self._do(step)
            except ToolFailed as error:
                raise Failed(f"{step.reason}: {error}") from error
            except OSError as error:
                raise Failed(f"{step.reason}: {error.filename or _path(step)}: {error.strerror}") from error

    def undo(self) -> list[str]:
        """Put every file back as it was, the last one first; what could not be, with the reason."""
        left = []
        for path, value in reversed(self._attributes):
            try:
                files.write_attribute(path, value)
            except OSError as error:
                left.append(f"{path}: {error.strerror}")
        for kept in reversed(self._kept):
            try:
                files.restore(kept)
            except OSError as error:
                left.append(f"{kept.path}: {error.strerror}")
        for folder in reversed(self._folders):
            files.remove_folder(folder)
        self._kept, self._folders, self._attributes = [], [], []
        return left

    def _do(self, step: Step) -> None:
        if isinstance(step, WriteFile):
            before = self._keep(step.path)
            self._make_folder_of(files.real(self._prefix + step.path))
            files.write(self._prefix + step.path, step.content.encode("utf-8", "surrogateescape"), step.mode, before)
            self._written.append(step.path)
        elif isinstance(step, RemoveFile):
            if not is_draft(os.path.basename(step.path)):  # which is nothing to put back
                self._keep(step.path)
            files.remove(self._prefix + step.path)
            self._removed.append(step.path)
        elif isinstance(step, GenerateFile):
            self._generate(step)
        elif isinstance(step, WriteAttribute):
            self._set(step)
        else:
            self._run(step.argv)

    def _generate(self, step: GenerateFile) -> None:
        before = self._keep(step.path)
        place = files.real(self._prefix + step.path)
        draft = files.draft_path(place)
        files.discard(draft)
        self._make_folder_of(place)
        try:
            self._run([argument.replace(DRAFT, draft) for argument in step.argv])
            if not os.path.isfile(draft) or not stat.S_ISREG(os.lstat(draft).st_mode):
                raise Failed(f"{step.reason}: {tool_name(step.argv)} says it succeeded, and wrote no file")
            problems = self._checks[step.check](draft[len(self._prefix) :])
            if problems:
                tool = tool_name(step.argv)
                raise Failed(f"{step.reason}: what {tool} wrote is not used, since {'; '.join(problems)}")
            if before.content is not None:
                files.dress(draft, before)
            files.move(draft, place)
        finally:
            files.discard(draft)
        self._written.append(step.path)

    def _set(self, step: WriteAttribute) -> None:
        path = self._prefix + step.path
        self._attributes.append((path, files.read_attribute(path)))
        files.write_attribute(path, step.value)
        self._written.append(step.path)

    def _make_folder_of(self, place: str) -> None:
        self._folders.extend(files.make_folder(os.path.dirname(place)))

    def _run(self, argv: Sequence[str]) -> None:
        self._tools.append(" ".join(argv))
        self._runner(argv)

    def _keep(self, path: str) -> files.Kept:
        kept = files.keep(self._prefix + path)
        self._kept.append(kept)
        return kept


def _path(step: Step) -> str:
    return tool_name(step.argv) if isinstance(step, RunTool) else step.path
