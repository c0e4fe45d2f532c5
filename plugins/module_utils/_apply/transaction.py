# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply the steps of a plan: all of them, or none."""

from __future__ import annotations

import os
import stat
import time
from types import TracebackType
from typing import Callable, Mapping, NamedTuple, Sequence

from .._machine.plan import (
    CONTENT,
    DRAFT,
    GenerateFile,
    MakeImage,
    MakeMedium,
    MoveFile,
    OverwriteFile,
    RemoveFile,
    RemoveMedium,
    RunTool,
    Step,
    WriteAttribute,
    WriteFile,
    WriteVariable,
    is_draft,
)
from . import efivarfs, files, medium
from .commands import ToolFailed, run, tool_name

#: Inspects a draft, and returns its problems, each as a clause such as "it has no root=".
Check = Callable[[str], Sequence[str]]


class ApplyFailed(Exception):
    """A step failed, and all steps were undone; the message has the step, the reason, and the tool's output."""


class UndoFailed(ApplyFailed):
    """A step failed, and not all steps could be undone; the message also has what was not restored, and why."""


class Receipt(NamedTuple):
    """What the applied steps did."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    tools: tuple[str, ...]  # command lines of the tools that were run


class Transaction:
    """Steps that are undone together: a context manager that undoes them when its body raises.

    Args:
        checks: By the name that a step gives, the check that a draft must pass before it replaces a file.
        root: Directory of the host's files; `/` except in tests. The arguments of tools are not prefixed with it.
        runner: Runs a tool.
        since: When planning began, in ns since the epoch: a file that another program changed since fails its step.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        root: str = "/",
        runner: Callable[[Sequence[str]], str] = run,
        since: int | None = None,
    ) -> None:
        self._checks = checks
        self._prefix = root.rstrip("/")
        self._runner = runner
        self._since = since
        self._results: dict[str, tuple[int, ...] | None] = {}  # what stat(2) says of each file as we left it
        self._overwritten: set[str] = set()  # in place, so that they are restored in place
        self._snapshots: list[files.Snapshot] = []
        self._created_directories: list[str] = []
        self._previous_attributes: list[tuple[str, str]] = []  # paths and values
        self._previous_variables: list[tuple[str, bytes | None]] = []  # paths in efivarfs and contents
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
        failures = self.undo()
        if failures:
            raise UndoFailed(f"{error}\nCould not be restored: {'; '.join(failures)}") from error

    def apply(self, steps: Sequence[Step]) -> None:
        """Apply steps, in their order.

        Raises:
            ApplyFailed: A step failed. Let it propagate out of the `with` statement, which undoes all steps.
        """
        for step in steps:
            try:
                self._apply_step(step)
            except ToolFailed as error:
                raise ApplyFailed(f"{step.reason}: {error}") from error
            except OSError as error:
                raise ApplyFailed(f"{step.reason}: {error.filename or _subject(step)}: {error.strerror}") from error

    def undo(self) -> list[str]:
        """Restore attributes and files, last change first; return those that could not be restored, with the reason."""
        failures = []
        for path, value in reversed(self._previous_attributes):
            try:
                files.write_attribute(path, value)
            except OSError as error:
                failures.append(f"{path}: {error.strerror}")
        for path, content in reversed(self._previous_variables):
            try:
                efivarfs.write(path, content)
            except OSError as error:
                failures.append(f"{path}: {error.strerror}")
        for snapshot in reversed(self._snapshots):
            if snapshot.path in self._results and _identity(snapshot.path) != self._results[snapshot.path]:
                failures.append(f"{snapshot.path}: another program has changed it meanwhile, and its version is kept")
                continue
            try:
                if snapshot.path in self._overwritten and snapshot.content is not None:
                    files.overwrite(snapshot.path, snapshot.content)
                else:
                    files.restore(snapshot)
                self._results.pop(snapshot.path, None)
            except OSError as error:
                failures.append(f"{snapshot.path}: {error.strerror}")
        for directory in reversed(self._created_directories):
            files.remove_directory(directory)
        self._snapshots, self._created_directories = [], []
        self._previous_attributes, self._previous_variables = [], []
        return failures

    def _apply_step(self, step: Step) -> None:
        if isinstance(step, WriteFile):
            previous = self._take_snapshot(step.path)
            self._make_parent_directories(files.resolve_links(self._prefix + step.path))
            files.write(self._prefix + step.path, step.content.encode("utf-8", "surrogateescape"), step.mode, previous)
            self._note_result(step.path)
            self._written.append(step.path)
        elif isinstance(step, (RemoveFile, RemoveMedium)):
            if not is_draft(os.path.basename(step.path)):  # a leftover draft is not worth restoring
                self._take_snapshot(step.path)
            files.remove(self._prefix + step.path)
            # Removing a name changes the ctime of a file that has other names: record it as a change of this run.
            other = files.destination_of(step.path)
            if other is not None:
                self._note_result(other)
            self._note_result(step.path)
            self._removed.append(step.path)
        elif isinstance(step, MoveFile):
            self._move_file(step)
        elif isinstance(step, OverwriteFile):
            self._overwrite_file(step)
        elif isinstance(step, GenerateFile):
            self._generate(step.path, step.argv, self._checks[step.check], step.reason)
        elif isinstance(step, (MakeMedium, MakeImage)):
            self._make(step)
        elif isinstance(step, (WriteAttribute, WriteVariable)):
            self._write_value(step)
        else:
            self._run_tool(step.argv)

    def _move_file(self, step: MoveFile) -> None:
        self._take_snapshot(step.path)
        self._take_snapshot(step.to)
        files.move(self._prefix + step.path, self._prefix + step.to)
        self._note_result(step.path)
        self._note_result(step.to)
        self._written.append(step.to)
        self._removed.append(step.path)

    def _overwrite_file(self, step: OverwriteFile) -> None:
        self._take_snapshot(step.path)
        self._overwritten.add(self._prefix + step.path)
        files.overwrite(self._prefix + step.path, step.content.encode("utf-8", "surrogateescape"))
        self._note_result(step.path)
        self._written.append(step.path)

    def _generate(
        self, path: str, argv: Sequence[str], check: Check, reason: str, *, prepare: Callable[[str], None] | None = None
    ) -> None:
        """Have a tool write a draft, check it, and replace the file with it.

        Args:
            path: The file.
            argv: The tool and its arguments.
            check: Inspects the draft.
            reason: Of the step, for messages.
            prepare: Creates the draft, where the tool must not choose its mode.
        """
        previous = self._take_snapshot(path)
        destination = files.resolve_links(self._prefix + path)
        draft = files.draft_path(destination)
        files.remove_draft(draft)
        self._make_parent_directories(destination)
        try:
            if prepare is not None:
                prepare(draft)
            self._run_tool([argument.replace(DRAFT, draft) for argument in argv])
            if not os.path.isfile(draft) or not stat.S_ISREG(os.lstat(draft).st_mode):
                raise ApplyFailed(f"{reason}: {tool_name(argv)} reported success, but wrote no file")
            problems = check(draft[len(self._prefix) :])
            if problems:
                raise ApplyFailed(f"{reason}: the file that {tool_name(argv)} wrote is rejected: {'; '.join(problems)}")
            if previous.content is not None:
                files.copy_metadata(previous, draft)
            files.replace_durably(draft, destination)
        finally:
            files.remove_draft(draft)
        self._note_result(path)
        self._written.append(path)

    def _make(self, step: MakeMedium | MakeImage) -> None:
        if isinstance(step, MakeMedium):
            self._make_medium(step)
        else:
            self._make_image(step)

    def _make_medium(self, step: MakeMedium) -> None:
        def check(draft: str) -> Sequence[str]:
            return medium.problems(self._prefix + draft, step.content)

        with medium.content_directory(self._prefix + medium.STAGING, step.content) as directory:
            argv = [argument.replace(CONTENT, directory) for argument in step.argv]
            self._generate(step.path, argv, check, step.reason, prepare=medium.create_private)

    def _make_image(self, step: MakeImage) -> None:
        if os.path.lexists(self._prefix + step.path):
            raise ApplyFailed(f"{step.reason}: {step.path} exists meanwhile, and is left as it is. Run this again")
        self._generate(step.path, step.argv, lambda _draft: (), step.reason, prepare=medium.create_private)

    def _write_value(self, step: WriteAttribute | WriteVariable) -> None:
        if isinstance(step, WriteAttribute):
            self._write_attribute(step)
        else:
            self._write_variable(step)

    def _write_attribute(self, step: WriteAttribute) -> None:
        path = self._prefix + step.path
        self._previous_attributes.append((path, files.read_attribute(path)))
        files.write_attribute(path, step.value)
        self._written.append(step.path)

    def _write_variable(self, step: WriteVariable) -> None:
        path = self._prefix + step.path
        self._previous_variables.append((path, efivarfs.read(path)))
        efivarfs.write(path, None if step.value is None else efivarfs.encoded(step.value))
        (self._removed if step.value is None else self._written).append(step.path)

    def _make_parent_directories(self, path: str) -> None:
        self._created_directories.extend(files.make_directories(os.path.dirname(path)))

    def _run_tool(self, argv: Sequence[str]) -> None:
        self._tools.append(" ".join(argv))
        self._runner(argv)

    def _check_unchanged(self, path: str) -> None:
        """Raise if somebody else changed a file since the steps were planned: its new content would be lost."""
        status = os.stat(self._prefix + path) if os.path.exists(self._prefix + path) else None
        # A date in the future is of a clock that was wrong, and says nothing.
        if self._since is None or status is None or not self._since < status.st_ctime_ns <= time.time_ns():
            return
        if self._results.get(self._prefix + path, ()) != _identity(self._prefix + path):
            raise ApplyFailed(f"{path}: another program changed it while this run was planning. Run this again")

    def _note_result(self, path: str) -> None:
        self._results[self._prefix + path] = _identity(self._prefix + path)

    def _take_snapshot(self, path: str) -> files.Snapshot:
        self._check_unchanged(path)
        snapshot = files.take_snapshot(self._prefix + path)
        self._snapshots.append(snapshot)
        return snapshot


def _identity(path: str) -> tuple[int, ...] | None:
    """Return what differs between two versions of a file, as stat(2) says it; None if there is no file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _subject(step: Step) -> str:
    """Return the tool or the file that a step is about."""
    return tool_name(step.argv) if isinstance(step, RunTool) else step.path
