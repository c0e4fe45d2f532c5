# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the arguments of the command. argparse alone would take as long to import as all of this takes to run."""

from __future__ import annotations

from itertools import takewhile
from typing import Iterator, NamedTuple, Sequence

from .._plan.nearest import nearest
from .commands import COMMANDS, Command, Invocation, Option

HELP = Option("--help", "Print this help.")
VERSION = Option("--version", "Print the version.")
PROGRAM = "vfio-workstation"
_GENERAL = {HELP.name: HELP, "-h": HELP, VERSION.name: VERSION}
_EXIT_STATUS = """\
Exit status:
  0  Done. verify: everything requested is active.
  1  verify: not everything requested is active.
  2  verify: no configuration is requested.
  3  An error, or wrong arguments; the reason is on standard error.
"""


class Call(NamedTuple):
    """A command with its options."""

    command: Command
    invocation: Invocation


class Mistake(NamedTuple):
    """Why arguments are not understood, and what to do."""

    text: str


def parse(arguments: Sequence[str], commands: Sequence[Command] = COMMANDS) -> Call | Option | Mistake:
    """Return the command, one of HELP and VERSION, or the mistake.

    Args:
        arguments: The arguments, without the name of the program.
        commands: The commands that there are.
    """
    general = [_GENERAL[argument] for argument in arguments if argument in _GENERAL]
    if general or not arguments:
        return general[0] if general else HELP
    words = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    command = _command(words, commands)
    if command is None:
        return _unknown_command(words, commands)
    invocation = _invocation(command, arguments[len(command.name.split()) :])
    return invocation if isinstance(invocation, Mistake) else Call(command, invocation)


def help_text(commands: Sequence[Command] = COMMANDS) -> str:
    """Return the help."""
    width = max(len(command.name) for command in commands)
    options: dict[str, Option] = {_usage(option): option for command in commands for option in command.options}
    options.update({option.name: option for option in (HELP, VERSION)})
    longest = max(map(len, options))
    lines = [
        f"Usage: {PROGRAM} COMMAND [OPTION]...",
        "",
        "Shows how far this host has what the Ansible collection vfio.workstation was requested to configure.",
        "Works without root as far as files are readable, and says what it could not read.",
        "",
        "Commands:",
        *(f"  {command.name.ljust(width)}  {command.summary}" for command in commands),
        "",
        "Options:",
        *(f"  {name.ljust(longest)}  {option.help}{_owners(option, commands)}" for name, option in options.items()),
        "",
        _EXIT_STATUS,
    ]
    return "\n".join(lines)


def _owners(option: Option, commands: Sequence[Command]) -> str:
    """Return which commands have an option, unless all have it."""
    names = [command.name for command in commands if option in command.options]
    return f" ({', '.join(names)})" if 0 < len(names) < len(commands) else ""


def _usage(option: Option) -> str:
    return f"{option.name} {option.value}".rstrip()


def _command(words: Sequence[str], commands: Sequence[Command]) -> Command | None:
    """Return the command that the words begin with; of several, the one with the longest name."""
    matching = [command for command in commands if list(words)[: len(command.name.split())] == command.name.split()]
    return max(matching, key=lambda command: len(command.name.split()), default=None)


def _unknown_command(words: Sequence[str], commands: Sequence[Command]) -> Mistake:
    names = [command.name for command in commands]
    if not words:
        return Mistake(f"the command comes first. Name one of {', '.join(names)}.")
    same_start = [name for name in names if name.split()[0] == words[0]]
    if same_start and len(words) == 1:
        return Mistake(f"{words[0]}: name one of {', '.join(same_start)}.")
    if same_start:
        wrong = " ".join(words[:2])
        return Mistake(f"{wrong}: no such command. {_remedy(wrong, same_start)}")
    return Mistake(f"{words[0]}: no such command. {_remedy(words[0], [name.split()[0] for name in names])}")


def _invocation(command: Command, arguments: Sequence[str]) -> Invocation | Mistake:
    known = {option.name: option for option in command.options}
    flags, values = set(), {}
    rest: Iterator[str] = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        option = known.get(name)
        if option is None:
            return Mistake(f"{argument}: {command.name} has no such option. {_remedy(name, [*known, HELP.name])}")
        if not option.value:
            if equals:
                return Mistake(f"{argument}: {name} takes no value. Write {name}.")
            flags.add(name)
            continue
        values[name] = value if equals else next(rest, "")
        if not values[name]:
            return Mistake(f"{name}: the value is missing. Write {_usage(option)}.")
    return Invocation(frozenset(flags), values)


def _remedy(word: str, names: Sequence[str]) -> str:
    meant = nearest(word, names)
    known = ", ".join(dict.fromkeys(names))
    return f"Did you mean {meant}?" if meant else f"Name one of {known}."
