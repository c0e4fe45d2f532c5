# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel command line: parsed as the kernel does, and written back without changing any other byte.

The rules are those of next_arg() in lib/cmdline.c, and parse_args() and parameq() in kernel/params.c: white space
separates arguments except within double quotes, the first `=` separates name and value, quotes around either are
dropped, `-` and `_` are equivalent in a name, and everything after `--` belongs to init.

Functions that change a line work on *argument units* (short: units). A unit is the smallest text that can be added or
removed alone: usually one argument, such as `iommu=pt`; but `hugepagesz=1G hugepages=8` is one unit, as the count
applies to the page size before it.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple, Sequence

# The white space of isspace() in lib/ctype.c; str.isspace() includes more characters.
_TOKEN = re.compile(r'(?P<space>[ \t\n\v\f\r\xa0]*)(?P<text>(?:[^ \t\n\v\f\r\xa0"]|"[^"]*(?:"|\Z))+)')
#: `hugepages=` is the count of pages of the size in the `hugepagesz=` before it (admin-guide/mm/hugetlbpage.rst).
_PAGE_SIZE, _PAGE_COUNT = "hugepagesz", "hugepages"


class Argument(NamedTuple):
    """One argument, and the white space before it, byte for byte."""

    space: str
    text: str

    @property
    def name(self) -> str:
        """The parameter's name with underscores for dashes, as the kernel compares it; case matters."""
        return _split(self.text)[0].replace("-", "_")

    @property
    def value(self) -> str | None:
        """The text after `=`, without the quotes around it; None if there is no `=`."""
        return _split(self.text)[1]

    @property
    def meaning(self) -> tuple[str, str | None]:
        """Name and value as the kernel sees them: equal for arguments that are equivalent."""
        return self.name, self.value


def _split(text: str) -> tuple[str, str | None]:
    # A quote before the name is closed after the value: "name=a b".
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
    """A parsed command line; `str()` returns the text that was parsed."""

    arguments: tuple[Argument, ...]  # up to `--`
    rest: str  # from the white space before `--` on; without `--`, the white space that ends the line

    def __str__(self) -> str:
        return "".join(argument.space + argument.text for argument in self.arguments) + self.rest

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each argument."""
        return tuple(argument.text for argument in self.arguments)


def parse(text: str) -> CommandLine:
    """Return the parts of a command line. Any text is a valid command line."""
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
    """Tell whether every double quote is closed; if not, the last argument extends to the end of the line."""
    return text.count('"') % 2 == 0


def units(texts: Iterable[str]) -> tuple[str, ...]:
    """Return arguments as units: `hugepagesz=` and the `hugepages=` after it together, any other argument alone.

    Args:
        texts: Arguments; a string may hold several.
    """
    grouped: list[str] = []
    previous = ""
    for text in texts:
        for argument in parse(text).arguments:
            if argument.name == _PAGE_COUNT and previous == _PAGE_SIZE:
                grouped[-1] += " " + argument.text
            else:
                grouped.append(argument.text)
            previous = argument.name
    return tuple(grouped)


def carries(text: str, required: Sequence[str]) -> bool:
    """Tell whether a command line has all these units in this order; other arguments may be between them."""
    line = parse(text).arguments
    position = 0
    for unit in required:
        start = _find(line, meanings(unit), position)
        if start is None:
            return False
        position = start + len(meanings(unit))
    return True


def has(text: str, unit: str) -> bool:
    """Tell whether a command line has a unit."""
    return carries(text, (unit,))


def without(text: str, removed: Sequence[str]) -> str:
    """Return a command line without the last occurrence of each of these units; other text is left unchanged."""
    line = parse(text)
    arguments = list(line.arguments)
    # From the right, as `appended` adds units after the arguments of others.
    for unit in reversed(removed):
        pattern = meanings(unit)
        for start in range(len(arguments) - len(pattern), -1, -1):
            if _find(arguments[start : start + len(pattern)], pattern, 0) == 0:
                del arguments[start : start + len(pattern)]
                break
    if arguments and len(arguments) < len(line.arguments):
        arguments[0] = arguments[0]._replace(space=line.arguments[0].space)
    rest = line.rest
    # `appended` put a space before a `--` at the beginning of the line: remove it with the last argument.
    if line.arguments and not arguments and rest.startswith(" ") and rest.lstrip().startswith("--"):
        rest = rest[1:]
    return str(CommandLine(tuple(arguments), rest))


def appended(text: str, additional: Sequence[str]) -> str:
    """Return a command line with units added after all other arguments, and before `--`."""
    line = parse(text)
    space = " " if line.arguments else ""
    added = []
    for unit in additional:
        for argument in parse(unit).arguments:
            added.append(Argument(space, argument.text))
            space = " "
    rest = line.rest
    if added and not line.arguments and rest.lstrip().startswith("--"):
        rest = " " + rest
    return str(CommandLine((*line.arguments, *added), rest))


def changed(text: str, old: Sequence[str], new: Sequence[str]) -> str:
    """Return a command line without the old units and with the new ones; unchanged if that is the case already."""
    if is_up_to_date(text, old, new):
        return text
    return appended(without(text, old), new)


def is_up_to_date(text: str, old: Sequence[str], new: Sequence[str]) -> bool:
    """Tell whether a command line has the new units, in order, and no old unit that is not among the new ones."""
    obsolete = [unit for unit in old if unit not in new]
    return carries(text, new) and not any(has(text, unit) for unit in obsolete)


def meanings(unit: str) -> list[tuple[str, str | None]]:
    """Return the meaning of each argument of a unit."""
    return [argument.meaning for argument in parse(unit).arguments]


def _find(line: Sequence[Argument], pattern: Sequence[tuple[str, str | None]], start: int) -> int | None:
    for position in range(start, len(line) - len(pattern) + 1):
        if all(line[position + offset].meaning == meaning for offset, meaning in enumerate(pattern)):
            return position
    return None
