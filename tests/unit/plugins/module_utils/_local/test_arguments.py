# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of the command: what is understood, and what is said of the rest."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local.arguments import (
    HELP,
    VERSION,
    Call,
    Mistake,
    help_text,
    parse,
)
from ansible_collections.vfio.workstation.plugins.module_utils._local.commands import (
    COMMANDS,
    Command,
    Invocation,
    Option,
)

NAME = Option("--name", "Name it.", "NAME")
JSON = Option("--json", "Print JSON.")


def load() -> None:
    raise AssertionError("loaded before it was called")


ALONE, ONE, OTHER = (Command(name, "Do it.", load, (NAME, JSON)) for name in ("show", "trial start", "trial confirm"))
THREE = (ALONE, ONE, OTHER)


def call(*arguments: str) -> Call | Option | Mistake:
    return parse(arguments, THREE)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), HELP),
        (("--help",), HELP),
        (("show", "-h"), HELP),
        (("--version",), VERSION),
        (("show",), Call(ALONE, Invocation(frozenset(), {}))),
        (("show", "--json"), Call(ALONE, Invocation(frozenset(("--json",)), {}))),
        (("show", "--name", "a", "--json"), Call(ALONE, Invocation(frozenset(("--json",)), {"--name": "a"}))),
        (("show", "--name=a=b"), Call(ALONE, Invocation(frozenset(), {"--name": "a=b"}))),
        (("trial", "confirm"), Call(OTHER, Invocation(frozenset(), {}))),
        (("trial", "start", "--json"), Call(ONE, Invocation(frozenset(("--json",)), {}))),
    ],
)
def test_what_is_understood(arguments: tuple[str, ...], expected: Call | Option) -> None:
    assert call(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("shwo",), "shwo: no such command. Did you mean show?"),
        (("xyz",), "xyz: no such command. Name one of show, trial."),
        (("trail", "start"), "trail: no such command. Did you mean trial?"),
        (("trial",), "trial: name one of trial start, trial confirm."),
        (("trial", "comfirm"), "trial comfirm: no such command. Did you mean trial confirm?"),
        (("--json", "show"), "the command comes first. Name one of show, trial start, trial confirm."),
        (("show", "--jsn"), "--jsn: show has no such option. Did you mean --json?"),
        (("show", "more"), "more: show has no such option. Name one of --name, --json, --help."),
        (("show", "--json=yes"), "--json=yes: --json takes no value. Write --json."),
        (("show", "--name"), "--name: the value is missing. Write --name NAME."),
        (("show", "--name="), "--name: the value is missing. Write --name NAME."),
    ],
)
def test_what_is_a_mistake(arguments: tuple[str, ...], text: str) -> None:
    assert call(*arguments) == Mistake(text)


def test_the_help_has_every_command_and_option() -> None:
    lines = help_text(THREE).splitlines()
    for command in THREE:
        assert f"  {command.name.ljust(13)}  Do it." in lines
    assert "  --name NAME  Name it." in lines
    assert "(show)" in help_text((ALONE._replace(options=(NAME,)), ONE._replace(options=())))


def test_every_command_can_be_loaded() -> None:
    assert all(callable(command.load()) for command in COMMANDS)
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
