# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at the host: the verdict on what is requested of it, as a run in check mode would return it."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from .._engine.converge import predict
from .._engine.host import HostRun
from .._engine.outcome import result_values
from .._machine.machine import Machine, Unreadable
from .._plan.parse_desired import parse_desired
from .._plan.record_text import DamagedRecord
from .._plan.request_record import REQUEST_FILE, RecordedRequest, parse_requests, recorded_request
from .._probe.tree import FILE_LIMIT, Tree
from .._text import verdict
from .commands import CommandFailed


class Look(NamedTuple):
    """What was seen."""

    word: str  # the verdict
    result: dict[str, Any]  # as the module host returns it in check mode
    unreadable: tuple[Unreadable, ...]
    machine: Machine | None = None  # None where nothing is requested

    @property
    def is_certain(self) -> bool:
        """Whether everything could be read that the verdict depends on."""
        return not self.unreadable or self.word == verdict.UNMANAGED


def look(root: str) -> Look:
    """Compare a host with what is requested of it.

    Args:
        root: Folder of the host's files.

    Raises:
        CommandFailed: The record of the requests can't be read.
    """
    request = read_request(root)
    if request is None:
        result: dict[str, Any] = {"requests": [], "states": {"configured": True, "staged": True, "active": True}}
        return Look(verdict.UNMANAGED, result, ())
    desired = parse_desired(request.options)
    if isinstance(desired, list):
        lines = "\n".join(f"  {mistake}" for mistake in desired)
        raise CommandFailed(f"{REQUEST_FILE} does not contain a valid request:\n{lines}\n{_REMEDY}")
    run = HostRun(desired, replace=request.replace, root=root)
    result = result_values(predict(run.observe))
    seen = run.seen
    word = verdict.verdict(result, predicted=True)
    return Look(word, result, seen.unreadable if seen else (), seen.host if seen else None)


_REMEDY = "Remove the file, and run the playbook provision with all sections that the host is to have."


def read_request(root: str) -> RecordedRequest | None:
    """Return what is requested of a host; None if nothing is.

    Args:
        root: Folder of the host's files.

    Raises:
        CommandFailed: The record can't be read.
    """
    tree = Tree(root)
    if not tree.exists(REQUEST_FILE):
        return None
    text = tree.exact(REQUEST_FILE, FILE_LIMIT)
    if text is None:
        raise CommandFailed(f"{REQUEST_FILE} can't be read. Run this as root.")
    try:
        requests = parse_requests(text)
    except DamagedRecord as error:
        raise CommandFailed(f"{REQUEST_FILE} is damaged: {error}. {_REMEDY}") from error
    return recorded_request(requests) if requests else None


def host_name(root: str) -> str:
    """Return what to call the host: its name, or the folder of a captured tree."""
    return os.uname().nodename if root == "/" else os.path.basename(os.path.realpath(root)) or root


def unreadable_text(unreadable: tuple[Unreadable, ...]) -> str:
    """Return which files could not be read, and what to do about it."""
    return f"not readable: {', '.join(item.path for item in unreadable)}. Run this as root to read them."
