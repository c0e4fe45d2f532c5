# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subset of GRUB's shell that grub.cfg is written in: words, variables, blocks.

After "Writing full configuration files directly" in GRUB's manual and grub-core/script of its source. Nothing is run:
conditions are not decided, so entries of all branches are found, and a variable set inside `if` keeps its first value.
"""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple, Tuple, Union

#: Longer than any command line a kernel takes (COMMAND_LINE_SIZE is 2 to 64 kB).
WORD_LIMIT = 65536
#: Characters that all expansions of one file may yield: doubling a variable again and again must end.
_EXPANSION_LIMIT = 16 << 20

_TOKEN = re.compile(
    r"""
      (?P<blank>(?:[ \t\r]|\\\n)+)
    | (?P<end>[;\n&|]+)
    | (?P<brace>[{}])
    | (?P<single>'[^']*(?:'|\Z))
    | (?P<double>"(?:[^"\\]|\\.)*(?:"|\\?\Z))
    | (?P<variable>\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?*@\#]|\{[^}\n]{0,63}\}))
    | (?P<escape>\\.)
    | (?P<plain>[^ \t\r\n;&|{}'"$\\<>]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE = re.compile(r'\\(?P<escaped>["$\\\n])|\$(?P<name>[A-Za-z_]\w*|[0-9]+|[?*@#]|\{[^}\n]{0,63}\})', re.ASCII)
_NAME = re.compile(r"\$([A-Za-z0-9_]+)")


class Text(NamedTuple):
    """A piece of a word that stands for itself."""

    text: str


class Variable(NamedTuple):
    """A piece of a word that stands for a variable's value, which is split at white space unless quoted."""

    name: str
    quoted: bool


Piece = Union[Text, Variable]
Word = Tuple[Piece, ...]


class Command(NamedTuple):
    """A simple command, maybe of no words."""

    words: tuple[Word, ...]
    end: str  # "{" where a block opens after it, "}" where one closes, else ";"
    line: int  # where it begins, counted from 1


def commands(text: str) -> Iterator[Command]:
    """Split a script into commands. Text that is no script gives commands that mean nothing, never an error."""
    words: list[Word] = []
    pieces: list[Piece] = []
    position = 0
    line, counted = 1, 0  # the line of a command, and up to where lines are counted
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        kind, token, position = match.lastgroup or "", match.group(), match.end()
        if kind in ("blank", "end", "brace"):
            if pieces:
                words.append(tuple(pieces))
                pieces = []
            if kind == "blank":
                continue
            end = token if kind == "brace" else ";"
            if words or end != ";":
                yield Command(tuple(words), end, line)
                words = []
        elif kind == "plain" and token.startswith("#") and not pieces:
            newline = text.find("\n", match.start())
            position = newline if newline >= 0 else len(text)
        else:
            if not words and not pieces:
                line, counted = line + text.count("\n", counted, match.start()), match.start()
            pieces.extend(_pieces(kind, token))
    left = (*words, tuple(pieces)) if pieces else tuple(words)
    if left:
        yield Command(left, ";", line)


def _pieces(kind: str, token: str) -> Iterator[Piece]:
    if kind == "single":
        yield Text(token[1:-1] if len(token) > 1 and token.endswith("'") else token[1:])
    elif kind == "double":
        yield from _double_quoted(token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:])
    elif kind == "variable":
        yield Variable(token[1:].strip("{}"), quoted=False)
    elif kind == "escape":
        yield Text(token[1:])
    else:
        yield Text(token)


def _double_quoted(inside: str) -> Iterator[Piece]:
    yield Text("")  # so that "" is a word
    position = 0
    for match in _IN_DOUBLE.finditer(inside):
        yield Text(inside[position : match.start()])
        escaped = match.group("escaped")
        if escaped is None:
            yield Variable(match.group("name").strip("{}"), quoted=True)
        else:
            yield Text(escaped.strip("\n"))
        position = match.end()
    yield Text(inside[position:])


class Variables:
    """GRUB's environment, and what words become in it.

    Args:
        values: The variables that are set before the script runs, such as those of grubenv.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._left = _EXPANSION_LIMIT

    def get(self, name: str) -> str:
        """Return a variable's value; what is not set is empty, as for GRUB."""
        return self._values.get(name, "")

    def set(self, assignment: str, conditional: bool) -> None:
        """Take `name=value`. Where it stands under a condition, it gives a value only to what has none."""
        name, found, value = assignment.partition("=")
        if found and not (conditional and self._values.get(name)):
            self._values[name] = value

    def expand(self, words: tuple[Word, ...]) -> list[str]:
        """Return the arguments that a command would get."""
        return [argument for word in words for argument in self._arguments(word)]

    def substitute(self, text: str) -> str:
        """Put the values of `$name` into a text as they are, as Fedora's blscfg does before GRUB's shell reads it."""
        return _NAME.sub(lambda match: self._value(match.group(1)), text)

    def _arguments(self, word: Word) -> list[str]:
        done: list[str] = []
        current: list[str] = []
        is_word = False
        for piece in word:
            if isinstance(piece, Text) or piece.quoted:
                current.append(piece.text if isinstance(piece, Text) else self._value(piece.name))
                is_word = True
                continue
            value = self._value(piece.name)
            if value[:1].isspace() and is_word:
                done.append("".join(current))
                current, is_word = [], False
            parts = value.split()
            for number, part in enumerate(parts):
                if number:
                    done.append("".join(current))
                    current = []
                current.append(part)
                is_word = True
            if parts and value[-1:].isspace():
                done.append("".join(current))
                current, is_word = [], False
        return [*done, "".join(current)] if is_word else done

    def _value(self, name: str) -> str:
        value = self.get(name)[:WORD_LIMIT]
        self._left -= len(value)
        return value if self._left >= 0 else ""
