# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel command line: read as the kernel reads it, written back as it was.

After next_arg() and parameq() in lib/cmdline.c and kernel/params.c: white space parts arguments except within double
quotes, the first `=` parts name from value, quotes around either are dropped, `-` and `_` are the same in a name, and
what follows `--` belongs to init.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple, Sequence

# isspace() of lib/ctype.c; str.isspace() knows more.
_TOKEN = re.compile(r'(?P<space>[ \t\n\v\f\r\xa0]*)(?P<text>(?:[^ \t\n\v\f\r\xa0"]|"[^"]*(?:"|\Z))+)')
#: `hugepages=` counts pages of the size that `hugepagesz=` named before it (admin-guide/mm/hugetlbpage.rst).
_LEADS, _FOLLOWS = "hugepagesz", "hugepages"


class Argument(NamedTuple):
    """One argument, with the white space before it, byte for byte."""

    space: str
    text: str

    @property
    def name(self) -> str:
        """The parameter's name with underscores, as the kernel compares it; case counts."""
        return _split(self.text)[0].replace("-", "_")

    @property
    def value(self) -> str | None:
        """What stands after the `=`, without quotes around it; None where there is no `=`."""
        return _split(self.text)[1]

    @property
    def meaning(self) -> tuple[str, str | None]:
        """Two arguments that mean the same to the kernel have the same."""
        return self.name, self.value


def _split(text: str) -> tuple[str, str | None]:
    # A quote before the name closes after the value: "name=a b".
    if text.startswith('"'):
        text = text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:]
        name, equals, value = text.partition("=")
        return name, (_without_quotes(value) if equals else None)
    name, equals, value = text.partition("=")
    return name, (_without_quotes(value) if equals else None)


def _without_quotes(value: str) -> str:
    if value.startswith('"'):
        value = value[1:]
        if value.endswith('"'):
            value = value[:-1]
    return value


class CommandLine(NamedTuple):
    """A command line in its parts; `str()` of it is the text that was parsed."""

    arguments: tuple[Argument, ...]  # up to `--`
    rest: str  # from the white space before `--` on, or what white space ends the line

    def __str__(self) -> str:
        return "".join(argument.space + argument.text for argument in self.arguments) + self.rest

    @property
    def texts(self) -> tuple[str, ...]:
        """Each argument's text."""
        return tuple(argument.text for argument in self.arguments)


def parse(text: str) -> CommandLine:
    """Return the parts of a command line. Any text is one."""
    arguments = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.group("text") == "--":
            break
        arguments.append(Argument(match.group("space"), match.group("text")))
        position = match.end()
    return CommandLine(tuple(arguments), text[position:])


def is_balanced(text: str) -> bool:
    """Tell whether every double quote is closed; else the kernel takes what follows into the last argument."""
    return text.count('"') % 2 == 0


def units(texts: Iterable[str]) -> tuple[str, ...]:
    """Return arguments as units: `hugepagesz=` with the `hugepages=` that follows it is one, any other alone.

    Args:
        texts: Arguments; a string may hold several.
    """
    found: list[str] = []
    previous = ""
    for text in texts:
        for argument in parse(text).arguments:
            if argument.name == _FOLLOWS and previous == _LEADS:
                found[-1] += " " + argument.text
            else:
                found.append(argument.text)
            previous = argument.name
    return tuple(found)


def carries(text: str, wanted: Sequence[str]) -> bool:
    """Tell whether a command line has all these units, in this order, maybe with other arguments between them."""
    line = parse(text).arguments
    position = 0
    for unit in wanted:
        found = _find(line, meanings(unit), position)
        if found is None:
            return False
        position = found + len(meanings(unit))
    return True


def has(text: str, unit: str) -> bool:
    """Tell whether a command line has a unit."""
    return carries(text, (unit,))


def without(text: str, unwanted: Sequence[str]) -> str:
    """Return a command line with one occurrence of each unit taken out, the last; all other text stays as it is."""
    line = parse(text)
    arguments = list(line.arguments)
    # From the right: ours stand after what others wrote.
    for unit in reversed(unwanted):
        wanted = meanings(unit)
        for start in range(len(arguments) - len(wanted), -1, -1):
            if _find(arguments[start : start + len(wanted)], wanted, 0) == 0:
                del arguments[start : start + len(wanted)]
                break
    if arguments and len(arguments) < len(line.arguments):
        arguments[0] = arguments[0]._replace(space=line.arguments[0].space)
    rest = line.rest
    # What `appended` had to put before a `--` that nothing else stands before.
    if line.arguments and not arguments and rest.startswith(" ") and rest.lstrip().startswith("--"):
        rest = rest[1:]
    return str(CommandLine(tuple(arguments), rest))


def appended(text: str, wanted: Sequence[str]) -> str:
    """Return a command line with units put in after all other arguments, and before `--`."""
    line = parse(text)
    space = " " if line.arguments else ""
    added = []
    for unit in wanted:
        for argument in parse(unit).arguments:
            added.append(Argument(space, argument.text))
            space = " "
    rest = line.rest
    if added and not line.arguments and rest.lstrip().startswith("--"):
        rest = " " + rest
    return str(CommandLine((*line.arguments, *added), rest))


def changed(text: str, old: Sequence[str], new: Sequence[str]) -> str:
    """Return a command line rid of the old units and with the new ones; as it is where that holds already."""
    if settled(text, old, new):
        return text
    return appended(without(text, old), new)


def settled(text: str, old: Sequence[str], new: Sequence[str]) -> bool:
    """Tell whether a command line has the new units, in order, and none that is old only."""
    gone = [unit for unit in old if unit not in new]
    return carries(text, new) and not any(has(text, unit) for unit in gone)


def meanings(unit: str) -> list[tuple[str, str | None]]:
    """Return what each argument of a unit means to the kernel."""
    return [argument.meaning for argument in parse(unit).arguments]


def _find(line: Sequence[Argument], wanted: Sequence[tuple[str, str | None]], start: int) -> int | None:
    for position in range(start, len(line) - len(wanted) + 1):
        if all(line[position + offset].meaning == meaning for offset, meaning in enumerate(wanted)):
            return position
    return None
