# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/etc/default/grub and its like: assignments that a shell reads, changed in one value and nowhere else.

What is parsed are assignments at the beginning of a line, as POSIX has them, and bash's `+=`, since bash is `sh` on
Arch, Fedora and SUSE. One within an `if` or the like is seen, and not changed. References such as `$GRUB_CMDLINE_LINUX`
stay in a value as they stand in the file: none is an argument of the kernel's.
"""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_OPENS = re.compile(r"[ \t]*(?:if|case|for|while|until)\b|.*\{[ \t]*$")
_CLOSES = re.compile(r"[ \t]*(?:fi|esac|done|\})[ \t]*;?[ \t]*(?:#.*)?$")
_SEGMENT = re.compile(
    r"""
      '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | (?P<plain>[^\s;&|<>()'"\\#]+ | (?<=[^\s])\#)
    | \\(?P<escape>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# Within double quotes a backslash stands for itself before anything else.
_ESCAPED = re.compile(r'\\([$`"\\\n])')
#: An empty piece at the end of a value that had no quotes, nor anything else: so that it can have neither again.
_NOTHING = '""'
_REFERENCE = re.compile(r"\$\{?([A-Za-z0-9_]+)")
_SUBSTITUTION = re.compile(r"`|\\\$|\$\(")


class Assignment(NamedTuple):
    """One assignment of a file."""

    name: str
    line: int  # counted from 1
    start: int  # of the value, in characters of the file
    end: int
    raw: str  # the value as it stands there, quotes included
    text: str  # what a shell makes of it, references left as they are
    is_certain: bool  # whether it runs always, and all of it can be told without running it
    is_last_word: bool  # whether what the variable was before is lost


def assignments(text: str) -> Iterator[Assignment]:
    """Yield the assignments of a file, in its order. Any text is one; what is none of a shell's yields nothing."""
    position = 0
    line = 1
    depth = 0
    while position < len(text):
        newline = text.find("\n", position)
        end = newline if newline >= 0 else len(text)
        match = _ASSIGNMENT.match(text, position, end)
        if match is None:
            words = text[position:end]
            depth += 1 if _OPENS.match(words) else 0
            depth = max(0, depth - 1) if _CLOSES.match(words) else depth
        else:
            found = _assignment(text, match, line, depth == 0)
            yield found
            end = max(end, found.end)
            newline = text.find("\n", end)
            end = newline if newline >= 0 else len(text)
        line += text.count("\n", position, end + 1)
        position = end + 1


def _assignment(text: str, match: re.Match[str], line: int, is_certain: bool) -> Assignment:
    start = position = match.end()
    parts = []
    while True:
        segment = _SEGMENT.match(text, position)
        if segment is None:
            break
        kind = segment.lastgroup or ""
        inside = segment.group(kind)
        is_certain = is_certain and not (kind != "single" and _SUBSTITUTION.search(inside))
        parts.append(_ESCAPED.sub(_unescaped, inside) if kind == "double" else inside)
        position = segment.end()
    rest = text[position : position + 1]
    is_certain = is_certain and rest in ("", "\n", " ", "\t", ";")
    name, value = match.group(1), "".join(parts)
    replaces = not match.group(2) and name not in _REFERENCE.findall(value)
    return Assignment(name, line, start, position, text[start:position], value, is_certain, is_certain and replaces)


def _unescaped(match: re.Match[str]) -> str:
    return "" if match.group(1) == "\n" else match.group(1)


def replaced(text: str, found: Assignment, after: str) -> str | None:
    """Return a file's text with another value in one assignment, quoted as it was; None where that can't be done.

    Args:
        text: The file.
        found: The assignment, as it is in that text.
        after: The value that a shell is to make of it.
    """
    for raw in _spellings(found.raw, found.text, after):
        made = text[: found.start] + raw + text[found.end :]
        again = [one for one in assignments(made) if (one.name, one.line) == (found.name, found.line)]
        if again and again[0].text == after and again[0].is_certain:
            return made
    return None


def _spellings(raw: str, before: str, after: str) -> Iterator[str]:
    """Yield ways to write a value, the one that changes least first."""
    if not _is_one_piece(raw):
        if not raw or raw.endswith('"' + _NOTHING):
            yield f'"{_escaped(after)}"{_NOTHING}' if after else ""
        # Words without quotes keep their spelling; what comes behind them gets quotes of its own, and goes with these.
        if after.startswith(before):
            yield raw + '"' + _escaped(after[len(before) :]) + '"'
        for match in re.finditer(r'"', raw):
            yield raw[: match.start()]
    if raw.startswith("'") and "'" not in after:
        yield f"'{after}'"
    yield f'"{_escaped(after)}"'


def _is_one_piece(raw: str) -> bool:
    """Tell whether a value is one quoted piece."""
    match = _SEGMENT.fullmatch(raw)
    return match is not None and match.lastgroup in ("single", "double")


def _escaped(value: str) -> str:
    return re.sub(r'(["`\\])', r"\\\1", value)
