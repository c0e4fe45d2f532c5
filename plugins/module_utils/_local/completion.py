# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `completion`: a function of bash that completes commands and options, made from COMMANDS."""

from __future__ import annotations

from typing import Iterator, Sequence

from .arguments import HELP, PROGRAM, VERSION
from .commands import COMMANDS, OK, Command, Invocation, Option
from .output import say

_SCRIPT = """\
_vfio_workstation() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    case ${COMP_WORDS[*]:1:COMP_CWORD-1} in
@WORDS@
    esac
    case $before in
@VALUES@
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word" || :))
}
complete -F _vfio_workstation @PROGRAM@"""


def completion(_invocation: Invocation) -> int:
    """Print the function."""
    say(completion_text())
    return OK


def completion_text(commands: Sequence[Command] = COMMANDS) -> str:
    """Return the function.

    Args:
        commands: The commands that there are.
    """
    options = {option.name: option for command in commands for option in command.options if option.value}
    text = _SCRIPT.replace("@WORDS@", "\n".join(_words(commands))).replace("@PROGRAM@", PROGRAM)
    return text.replace("@VALUES@", "\n".join(map(_values, options.values())))


def _words(commands: Sequence[Command]) -> Iterator[str]:
    """Yield a line for each beginning: the words that can follow it. Longer beginnings come first."""
    for command in sorted(commands, key=lambda command: -len(command.name)):
        names = " ".join((*(option.name for option in command.options), HELP.name))
        yield f'        "{command.name}" | "{command.name} "*) words="{names}" ;;'
    groups: dict[str, list[str]] = {}
    for first, _space, second in (command.name.partition(" ") for command in commands):
        groups.setdefault(first, []).append(second)
    yield from (f'        {first}) words="{" ".join(seconds)}" ;;' for first, seconds in groups.items() if all(seconds))
    yield f'        "") words="{" ".join((*groups, HELP.name, VERSION.name))}" ;;'


def _values(option: Option) -> str:
    if "|" in option.value:
        return f'        {option.name}) words="{option.value.replace("|", " ")}" ;;'
    return f'        {option.name}) COMPREPLY=($(compgen -d -- "$word" || :)); return ;;'
