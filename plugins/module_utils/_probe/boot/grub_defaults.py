# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assignments in /etc/default/grub and similar files that a shell sources: parse them, and change one value in place.

Parsed are assignments at the beginning of a line, with POSIX syntax or bash's `+=`, since `sh` is bash on Arch, Fedora
and SUSE. An assignment inside `if` or the like is parsed, but never changed. References such as `$GRUB_CMDLINE_LINUX`
remain in a value as written: the kernel has no argument that begins with `$`.
"""

from __future__ import annotations

import re
from typing import Collection, Iterator, NamedTuple

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
_QUOTES = {"single": "'", "double": '"'}
#: A character inside double quotes: a backslash is literal unless it precedes one of these.
_CHARACTER = re.compile(r'\\[$`"\\\n]|.', re.DOTALL)
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_.,:/=+-]*")
#: An empty string at the end of a value that we had to quote: it marks that the value was unquoted before.
_UNQUOTED_MARKER = '""'
_MARKED_AS_UNQUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + _UNQUOTED_MARKER, re.DOTALL)
_REFERENCE = re.compile(r"\$\{?([A-Za-z0-9_]+)")
_SUBSTITUTION = re.compile(r"`|\\\$|\$\(")
_ESCAPE_SEQUENCE = re.compile(r"\\.", re.DOTALL)
#: Everything that a shell expands, except a plain `$NAME` or `${NAME}`.
_EXPANSION = re.compile(r"`|\$(?!\{?[A-Za-z0-9_])|\$\{[A-Za-z0-9_]+[^A-Za-z0-9_}]")


class Assignment(NamedTuple):
    """An assignment in a file."""

    name: str
    line: int  # counted from 1
    start: int  # where the value begins, in characters of the file
    end: int
    raw: str  # the value as written, including quotes
    text: str  # the value after a shell has removed the quotes; references remain as written
    is_certain: bool  # whether it always runs, and its value is known without running a shell
    discards_previous: bool  # whether the variable's previous value is certainly lost


class _Atom(NamedTuple):
    raw: str  # a character as written, or a quote
    text: str  # the character after a shell has removed quotes and escapes
    quotes: str  # the kind of quotes around it, or ""
    is_quote: bool = False


def assignments(text: str) -> Iterator[Assignment]:
    """Yield the assignments in a file, in its order. Text that is not shell syntax is skipped."""
    position = 0
    line = 1
    depth = 0
    while position < len(text):
        newline = text.find("\n", position)
        end = newline if newline >= 0 else len(text)
        match = _ASSIGNMENT.match(text, position, end)
        if match is None:
            command = text[position:end]
            depth += 1 if _OPENS.match(command) else 0
            depth = max(0, depth - 1) if _CLOSES.match(command) else depth
        else:
            assignment = _assignment(text, match, line, depth == 0)
            yield assignment
            end = max(end, assignment.end)
            newline = text.find("\n", end)
            end = newline if newline >= 0 else len(text)
        line += text.count("\n", position, end + 1)
        position = end + 1


def _assignment(text: str, match: re.Match[str], line: int, is_certain: bool) -> Assignment:
    start = position = match.end()
    while True:
        segment = _SEGMENT.match(text, position)
        if segment is None:
            break
        kind = segment.lastgroup or ""
        is_certain = is_certain and not (kind != "single" and _SUBSTITUTION.search(segment.group(kind)))
        position = segment.end()
    following = text[position : position + 1]
    is_certain = is_certain and following in ("", "\n", " ", "\t", ";")
    raw = text[start:position]
    name, value = match.group(1), "".join(atom.text for atom in _atoms(raw))
    is_replaced = not match.group(2) and name not in _REFERENCE.findall(value)
    return Assignment(name, line, start, position, raw, value, is_certain, is_certain and is_replaced)


def _atoms(raw: str) -> Iterator[_Atom]:
    """Yield the characters and quotes of a value."""
    for segment in _SEGMENT.finditer(raw):
        quotes = _QUOTES.get(segment.lastgroup or "", "")
        if segment.lastgroup == "escape":
            yield _Atom(segment.group(), segment.group("escape").strip("\n"), "")
        elif not quotes:
            yield from (_Atom(character, character, "") for character in segment.group())
        else:
            yield _Atom(quotes, "", quotes, is_quote=True)
            content = segment.group()[1:-1]
            for character in _CHARACTER.findall(content) if quotes == '"' else content:
                text = character[1:].strip("\n") if len(character) > 1 else character
                yield _Atom(character, text, quotes)
            yield _Atom(quotes, "", quotes, is_quote=True)


def is_computed(assignment: Assignment, known: Collection[str]) -> bool:
    """Return whether a value depends on the output of a command, or on variables other than the known ones.

    Args:
        assignment: The assignment.
        known: Variables whose own assignments the caller inspects.
    """
    expanded = "".join(atom.raw for atom in _atoms(assignment.raw) if atom.quotes != "'")
    unescaped = _ESCAPE_SEQUENCE.sub("", expanded)
    return bool(_EXPANSION.search(unescaped)) or any(name not in known for name in _REFERENCE.findall(unescaped))


def replace_value(text: str, assignment: Assignment, value: str) -> str | None:
    """Return a file's text with another value in one assignment, quoted as before; None if that is impossible.

    Args:
        text: The file.
        assignment: The assignment, as found in that text.
        value: The new value, without quotes.
    """
    for raw in _candidates(assignment.raw, assignment.text, value):
        new_text = text[: assignment.start] + raw + text[assignment.end :]
        key = (assignment.name, assignment.line)
        parsed = next((other for other in assignments(new_text) if (other.name, other.line) == key), None)
        if parsed is not None and parsed.text == value and parsed.is_certain:
            return new_text
    return None


def _candidates(raw: str, before: str, after: str) -> Iterator[str]:
    """Yield ways to write a value, the one with the smallest change first."""
    is_unquoted = _NEEDS_NO_QUOTES.fullmatch(raw)
    is_marked = _MARKED_AS_UNQUOTED.fullmatch(raw)
    if is_marked and _NEEDS_NO_QUOTES.fullmatch(before):
        # We add the marker only where quotes are needed, so a user wrote this one. What we add must not look like ours.
        if after.startswith(before):
            yield f'{raw}"{_escape(after[len(before) :])}"'
    elif is_unquoted or is_marked:
        if _NEEDS_NO_QUOTES.fullmatch(after):
            yield after
        elif is_unquoted:
            yield f'"{_escape(after)}"{_UNQUOTED_MARKER}'
    start, end = _common_lengths(before, after)
    yield _spliced(list(_atoms(raw)), start, len(before) - end, after[start : len(after) - end])
    yield f'"{_escape(after)}"'


def _common_lengths(before: str, after: str) -> tuple[int, int]:
    """Return how many characters two values have in common at the beginning and at the end, in whole words."""
    shorter = min(len(before), len(after))
    start = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    while not (_is_word_boundary(before, start) and _is_word_boundary(after, start)):
        start -= 1
    remaining = shorter - start
    end = next((index for index in range(remaining) if before[-1 - index] != after[-1 - index]), remaining)
    while not (_is_word_boundary(before, len(before) - end) and _is_word_boundary(after, len(after) - end)):
        end -= 1
    return start, end


def _is_word_boundary(text: str, index: int) -> bool:
    return index in (0, len(text)) or text[index].isspace() or text[index - 1].isspace()


def _spliced(atoms: list[_Atom], start: int, stop: int, inserted: str) -> str:
    """Return a value with other text between two positions, and the rest as written.

    Text that is inserted and later removed leaves exactly the value as it was before.
    """
    position = index = 0
    while position < start:
        position += len(atoms[index].text)
        index += 1
    head, tail = atoms[:index], atoms[index:]
    if start == stop:
        # Insert inside the quotes if the whole value has them, otherwise directly after the preceding character.
        if not head and tail and tail[0].is_quote:
            head.append(tail.pop(0))
        quotes = head[-1].quotes if head else ""
        return _raw(head) + _quoted(inserted, quotes) + _raw(tail)
    quotes = ""
    rest: list[_Atom] = []
    for atom in tail:
        if not atom.text or position >= stop:
            rest.append(atom)
        elif position == start:
            head, rest, quotes = head + rest, [], atom.quotes
        position += len(atom.text)
    if not inserted and len(head) > 1 and head[-1].is_quote and rest and rest[0] == head[-1]:
        # A pair of quotes after other text that has become empty.
        del head[-1], rest[0]
    return _raw(head) + _quoted(inserted, quotes) + _raw(rest)


def _raw(atoms: list[_Atom]) -> str:
    return "".join(atom.raw for atom in atoms)


def _quoted(text: str, quotes: str) -> str:
    """Return text as written inside such quotes, or with quotes of its own where there are none and it needs them."""
    if quotes:
        return _escape(text) if quotes == '"' else text
    return text if _NEEDS_NO_QUOTES.fullmatch(text) else f'"{_escape(text)}"'


def _escape(text: str) -> str:
    """Return text with escapes for double quotes, except before `$`: references remain."""
    return re.sub(r'(["`\\])', r"\\\1", text)
