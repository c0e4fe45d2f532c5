# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subset of GRUB's shell language that grub.cfg uses: words, variables, blocks.

Sources: "Writing full configuration files directly" in GRUB's manual, and grub-core/script of its source code. Nothing
is executed: conditions are not evaluated, so entries of all branches are found, and a variable that is set inside `if`
keeps the value that it already has.
"""

from __future__ import annotations

import re
from typing import Iterator, Mapping, NamedTuple, Tuple, Union

#: More characters than any kernel's command line may have (COMMAND_LINE_SIZE is 2 to 64 kB).
WORD_LIMIT = 65536
#: Characters that all expansions of one file may yield together, so that a variable can't be doubled endlessly.
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
    """A literal piece of a word."""

    text: str


class Variable(NamedTuple):
    """A reference to a variable in a word; its value is split at white space unless it is quoted."""

    name: str
    quoted: bool


Piece = Union[Text, Variable]
Word = Tuple[Piece, ...]


class Command(NamedTuple):
    """A simple command, which may have no words."""

    words: tuple[Word, ...]
    end: str  # "{" if a block begins after it, "}" if one ends, otherwise ";"
    line: int  # where it begins, counted from 1


def commands(text: str) -> Iterator[Command]:
    """Split a script into commands. Text that is not a script yields meaningless commands, but never an error."""
    words: list[Word] = []
    pieces: list[Piece] = []
    position = 0
    line, counted = 1, 0  # line number of the current command, and the position of its first character
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
    last_words = (*words, tuple(pieces)) if pieces else tuple(words)
    if last_words:
        yield Command(last_words, ";", line)


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


def _double_quoted(text: str) -> Iterator[Piece]:
    """Yield the pieces between double quotes."""
    yield Text("")  # so that "" is a word
    position = 0
    for match in _IN_DOUBLE.finditer(text):
        yield Text(text[position : match.start()])
        escaped = match.group("escaped")
        if escaped is None:
            yield Variable(match.group("name").strip("{}"), quoted=True)
        else:
            yield Text(escaped.strip("\n"))
        position = match.end()
    yield Text(text[position:])


class Variables:
    """GRUB's environment, which expands words to arguments.

    Args:
        values: The variables that are set before the script runs, such as those of grubenv.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._budget = _EXPANSION_LIMIT

    def get(self, name: str) -> str:
        """Return a variable's value; an unset variable is empty, as in GRUB."""
        return self._values.get(name, "")

    def set(self, assignment: str, conditional: bool) -> None:
        """Apply `name=value`. A conditional assignment has no effect if the variable already has a value."""
        name, equals, value = assignment.partition("=")
        if equals and not (conditional and self._values.get(name)):
            self._values[name] = value

    def expand(self, words: tuple[Word, ...]) -> list[str]:
        """Return the arguments that the words of a command expand to."""
        return [argument for word in words for argument in self._arguments(word)]

    def substitute(self, text: str) -> str:
        """Replace `$name` by the variable's value, unquoted, as Fedora's blscfg does before GRUB's shell parses it."""
        return _NAME.sub(lambda match: self._value(match.group(1)), text)

    def _arguments(self, word: Word) -> list[str]:
        complete: list[str] = []
        current: list[str] = []
        is_word = False
        for piece in word:
            if isinstance(piece, Text) or piece.quoted:
                current.append(piece.text if isinstance(piece, Text) else self._value(piece.name))
                is_word = True
                continue
            value = self._value(piece.name)
            if value[:1].isspace() and is_word:
                complete.append("".join(current))
                current, is_word = [], False
            parts = value.split()
            for number, part in enumerate(parts):
                if number:
                    complete.append("".join(current))
                    current = []
                current.append(part)
                is_word = True
            if parts and value[-1:].isspace():
                complete.append("".join(current))
                current, is_word = [], False
        return [*complete, "".join(current)] if is_word else complete

    def _value(self, name: str) -> str:
        value = self.get(name)[:WORD_LIMIT]
        self._budget -= len(value)
        return value if self._budget >= 0 else ""
