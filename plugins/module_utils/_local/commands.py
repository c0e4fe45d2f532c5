# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands: one entry in COMMANDS for each. Their modules are imported when they are called."""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple

#: Exit statuses. `verify` returns all of them; the other commands 0 or ERROR.
OK, NOT_ACTIVE, NOTHING_REQUESTED, ERROR = 0, 1, 2, 3


class CommandFailed(Exception):
    """A command can't do its work; the message says why, and what to do."""


class Option(NamedTuple):
    """An option of a command."""

    name: str  # "--json"
    help: str
    value: str = ""  # what stands for its value in the help; empty for an option without a value


class Invocation(NamedTuple):
    """The options that a command was called with."""

    flags: frozenset[str] = frozenset()  # names of those without a value
    values: Mapping[str, str] = {}  # by name

    @property
    def json(self) -> bool:
        """Whether to print JSON instead of text."""
        return JSON.name in self.flags

    @property
    def root(self) -> str:
        """Folder of the machine's files."""
        return self.values.get(ROOT.name, "/")


class Command(NamedTuple):
    """A command."""

    name: str  # one or several words
    summary: str
    load: Callable[[], Callable[[Invocation], int]]  # imports what carries the command out; that returns exit status
    options: tuple[Option, ...]


JSON = Option("--json", "Print JSON.")
RECORD = Option("--record", "Record the result and what changed; a unit does so at each boot.")
OPERATION = Option("--operation", "What libvirt does with the guest.", "prepare|started|reconnect|release")
REQUEST = Option("--request", "The request, as JSON in base64.", "TEXT")
ROOT = Option("--root", "Read a captured tree instead of this host.", "DIRECTORY")


def _status() -> Callable[[Invocation], int]:
    from .status import status

    return status


def _verify() -> Callable[[Invocation], int]:
    from .status import verify

    return verify


def _report() -> Callable[[Invocation], int]:
    from .report import report

    return report


def _run_trial() -> Callable[[Invocation], int]:
    from .trial import run

    return run


def _inspect() -> Callable[[Invocation], int]:
    from .inspection import inspect

    return inspect


def _guest_hook() -> Callable[[Invocation], int]:
    from .guest_hook import guest_hook

    return guest_hook


def _await_controller() -> Callable[[Invocation], int]:
    from .trial import await_controller

    return await_controller


def _completion() -> Callable[[Invocation], int]:
    from .completion import completion

    return completion


COMMANDS = (
    Command("status", "Print the state of each request: configured, staged, active.", _status, (JSON, ROOT)),
    Command("verify", "Check whether everything requested is active.", _verify, (JSON, RECORD, ROOT)),
    Command("report", "Print what this host offers for PCI passthrough.", _report, (JSON, ROOT)),
    Command("inspect", "Compare this host with a request; run by a controller.", _inspect, (REQUEST, ROOT)),
    Command("trial run", "Confirm a trial boot, or return from it; run by a unit at boot.", _run_trial, ()),
    Command("trial await-controller", "Have a controller confirm the next trial boot.", _await_controller, ()),
    Command("guest-hook", "Check whether a guest can start; run by libvirt's hook.", _guest_hook, (OPERATION, ROOT)),
    Command("completion", "Print a function that completes this command in bash.", _completion, ()),
)
