# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files for the command on the host: the command itself, and the record of what is requested."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Protocol, Sequence

from .._machine.desired import Desired
from .._machine.plan import RECORD, Refusal, RemoveFile, Step, WriteFile
from .._plan.file_steps import ExistingFile, file_steps, foreign_files
from .._plan.local_files import COMMAND_FILE, STATE_FILES, UNIT_FILE, WANTS_FILE, unit_files
from .._plan.own_files import is_ours
from .._plan.record_text import DamagedRecord
from .._plan.refusals import refuse
from .._plan.request_record import (
    REQUEST_FILE,
    Requests,
    parse_requests,
    render_requests,
    update_requests,
    without_sections,
)
from .._plan.request_spec import SECTION_OPTIONS
from .._probe.tree import FILE_LIMIT, Tree

_MODE = 0o755
_START = 200  # bytes of a file that say whose it is
_SYSTEMD = ("/usr/lib/systemd/system", "/lib/systemd/system")


class Command(Protocol):
    """The command as it should be."""

    def is_current(self, content: bytes) -> bool:
        """Return whether a file's content is the command."""

    def content(self) -> str:
        """Return the content of the file."""


class LocalRequest(NamedTuple):
    """What is requested of the host's own files."""

    options: Mapping[str, Any]  # of the run, as they were written
    command: Command | None  # None: it is absent


class LocalSteps(NamedTuple):
    """The steps for these files, by when they are carried out."""

    record: tuple[Step, ...] = ()  # before anything that is requested is configured
    changes: tuple[Step, ...] = ()
    last: tuple[Step, ...] = ()  # when nothing is configured any more
    refusals: tuple[Refusal, ...] = ()


def local_steps(tree: Tree, local: LocalRequest, desired: Desired, absent: Sequence[str] | None) -> LocalSteps:
    """Return the steps after which the host has its own files. It has them while a section is requested.

    Args:
        tree: The host's files.
        local: What is requested.
        desired: The options of the run, parsed.
        absent: The sections that the run removes; None where it applies a request.
    """
    text = tree.exact(REQUEST_FILE, FILE_LIMIT) if tree.exists(REQUEST_FILE) else None
    try:
        before = {} if absent is not None and set(absent) >= set(SECTION_OPTIONS) else parse_requests(text)
    except DamagedRecord as error:
        return LocalSteps(refusals=(_damaged(error),))
    is_request = absent is None
    requests = update_requests(before, local.options, desired) if is_request else without_sections(before, absent or ())
    content = tree.data(COMMAND_FILE, FILE_LIMIT)
    command = local.command if requests else None
    refusals = tuple(_foreign_files(tree, content)) if command is not None else ()
    if refusals:
        return LocalSteps(refusals=refusals)
    return LocalSteps(
        record=tuple(_record_written(text, requests)),
        changes=(*_command_changes(tree, command, content), *_unit_changes(tree, command is not None)),
        last=(RemoveFile(REQUEST_FILE, RECORD, "nothing is requested any more"),) if text and not requests else (),
    )


def _record_written(text: str | None, requests: Requests) -> Iterator[Step]:
    if requests and text != render_requests(requests):
        yield WriteFile(REQUEST_FILE, render_requests(requests), RECORD, "record what is requested")


def _command_changes(tree: Tree, command: Command | None, content: bytes | None) -> Iterator[Step]:
    if command is None:
        # A foreign file stays.
        if content is not None and _is_ours(content):
            yield RemoveFile(COMMAND_FILE, RECORD, "remove the command vfio-workstation")
        return
    status = tree.status(COMMAND_FILE)
    is_executable = status is not None and status.st_mode & 0o7777 == _MODE
    if content is None or not is_executable or not command.is_current(content):
        verb = "install" if content is None else "update"
        yield WriteFile(COMMAND_FILE, command.content(), RECORD, f"{verb} the command vfio-workstation", _MODE)


def _unit_changes(tree: Tree, is_wanted: bool) -> Iterator[Step]:
    """Yield the steps for the unit that checks each boot; for what it wrote too, when it is removed."""
    is_wanted = is_wanted and any(tree.exists(path) for path in _SYSTEMD)
    files = unit_files() if is_wanted else ()
    for step in file_steps("local_command", (UNIT_FILE, WANTS_FILE), files, _present_units(tree)):
        yield step._replace(effect=RECORD)
    if not is_wanted:
        yield from (
            RemoveFile(path, RECORD, "remove what the check at boot wrote") for path in STATE_FILES if tree.exists(path)
        )


def _present_units(tree: Tree) -> dict[str, ExistingFile]:
    present = {}
    for path in (UNIT_FILE, WANTS_FILE):
        text, status = tree.exact(path, FILE_LIMIT), tree.status(path)
        if status is not None:
            present[path] = ExistingFile(text or "", status.st_mode & 0o7777)
    return present


def _foreign_files(tree: Tree, content: bytes | None) -> Iterator[Refusal]:
    if content is not None and not _is_ours(content):
        yield _foreign(content)
    yield from foreign_files(unit_files(), _present_units(tree))


def _is_ours(content: bytes) -> bool:
    return is_ours(content[:_START].decode("utf-8", "replace"))


def _foreign(content: bytes) -> Refusal:
    first_line = content[:80].decode("utf-8", "replace").split("\n", 1)[0]
    return refuse(
        "file_is_not_ours",
        f"{COMMAND_FILE} exists and was not written by this collection; it begins with {first_line!r}",
        danger="That program would be lost.",
        remedy="Move or rename the file; or set local_command to false (in the roles: workstation_local_command), to "
        "do without the command.",
    )


def _damaged(error: DamagedRecord) -> Refusal:
    return refuse(
        "record_damaged",
        f"{REQUEST_FILE} can't be read: {error}.",
        danger="What is requested of this host would be unknown to the command vfio-workstation.",
        remedy="Remove the file, and run this again with all sections that the host is to have.",
    )
