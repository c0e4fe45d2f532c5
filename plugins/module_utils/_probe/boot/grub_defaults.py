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
#: A character within double quotes: a backslash stands for itself before any but these.
_CHARACTER = re.compile(r'\\[$`"\\\n]|.', re.DOTALL)
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_.,:/=+-]*")
#: An empty piece at the end of a value that had no quotes: so that it can have none again.
_NOTHING = '""'
_HAD_NO_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"' + _NOTHING, re.DOTALL)
_REFERENCE = re.compile(r"\$\{?([A-Za-z0-9_]+)")
_SUBSTITUTION = re.compile(r"`|\\\$|\$\(")
_ESCAPED = re.compile(r"\\.", re.DOTALL)
#: What a shell puts something else in the place of, but for a plain `$NAME` or `${NAME}`.
_COMPUTED = re.compile(r"`|\$(?!\{?[A-Za-z0-9_])|\$\{[A-Za-z0-9_]+[^A-Za-z0-9_}]")


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


class _Atom(NamedTuple):
    raw: str  # a character as it is spelled, or a quote
    text: str  # what a shell makes of it
    quotes: str  # that it stands within
    is_quote: bool = False


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
    while True:
        segment = _SEGMENT.match(text, position)
        if segment is None:
            break
        kind = segment.lastgroup or ""
        is_certain = is_certain and not (kind != "single" and _SUBSTITUTION.search(segment.group(kind)))
        position = segment.end()
    rest = text[position : position + 1]
    is_certain = is_certain and rest in ("", "\n", " ", "\t", ";")
    raw = text[start:position]
    name, value = match.group(1), "".join(atom.text for atom in _atoms(raw))
    replaces = not match.group(2) and name not in _REFERENCE.findall(value)
    return Assignment(name, line, start, position, raw, value, is_certain, is_certain and replaces)


def _atoms(raw: str) -> Iterator[_Atom]:
    """Yield the characters of a value as they are spelled, and its quotes."""
    for segment in _SEGMENT.finditer(raw):
        quotes = _QUOTES.get(segment.lastgroup or "", "")
        if segment.lastgroup == "escape":
            yield _Atom(segment.group(), segment.group("escape").strip("\n"), "")
        elif not quotes:
            yield from (_Atom(character, character, "") for character in segment.group())
        else:
            yield _Atom(quotes, "", quotes, is_quote=True)
            inside = segment.group()[1:-1]
            for spelled in _CHARACTER.findall(inside) if quotes == '"' else inside:
                text = spelled[1:].strip("\n") if len(spelled) > 1 else spelled
                yield _Atom(spelled, text, quotes)
            yield _Atom(quotes, "", quotes, is_quote=True)


def takes_in_more(found: Assignment, known: Collection[str]) -> bool:
    """Tell whether something comes into a value that stands nowhere in it: what a command prints, or other variables.

    Args:
        found: The assignment.
        known: Variables whose assignments are looked at by themselves.
    """
    expanded = "".join(atom.raw for atom in _atoms(found.raw) if atom.quotes != "'")
    live = _ESCAPED.sub("", expanded)
    return bool(_COMPUTED.search(live)) or any(name not in known for name in _REFERENCE.findall(live))


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
    has_none = _NEEDS_NO_QUOTES.fullmatch(raw)
    had_none = _HAD_NO_QUOTES.fullmatch(raw)
    if had_none and _NEEDS_NO_QUOTES.fullmatch(before):
        # Somebody spelled it so: we only put that piece behind what needs quotes. What we add must not look like it.
        if after.startswith(before):
            yield f'{raw}"{_escaped(after[len(before) :])}"'
    elif has_none or had_none:
        if _NEEDS_NO_QUOTES.fullmatch(after):
            yield after
        elif has_none:
            yield f'"{_escaped(after)}"{_NOTHING}'
    start, end = _kept(before, after)
    yield _minimal(list(_atoms(raw)), start, len(before) - end, after[start : len(after) - end])
    yield f'"{_escaped(after)}"'


def _kept(before: str, after: str) -> tuple[int, int]:
    """Return how many characters two values have in common at the beginning and at the end, in whole words."""
    most = min(len(before), len(after))
    start = next((at for at in range(most) if before[at] != after[at]), most)
    while not (_is_between_words(before, start) and _is_between_words(after, start)):
        start -= 1
    most -= start
    end = next((at for at in range(most) if before[-1 - at] != after[-1 - at]), most)
    while not (_is_between_words(before, len(before) - end) and _is_between_words(after, len(after) - end)):
        end -= 1
    return start, end


def _is_between_words(text: str, at: int) -> bool:
    return at in (0, len(text)) or text[at].isspace() or text[at - 1].isspace()


def _minimal(atoms: list[_Atom], start: int, stop: int, inserted: str) -> str:
    """Return a value with other text between two places, and the rest spelled as it was.

    What is put in somewhere and then taken out leaves what was there before.
    """
    position = place = 0
    while position < start:
        position += len(atoms[place].text)
        place += 1
    kept, rest = atoms[:place], atoms[place:]
    if start == stop:
        # Within the quotes that the whole value may have, else behind the character before.
        if not kept and rest and rest[0].is_quote:
            kept.append(rest.pop(0))
        quotes = kept[-1].quotes if kept else ""
        return _joined(kept) + _spelled(inserted, quotes) + _joined(rest)
    quotes = ""
    behind: list[_Atom] = []
    for atom in rest:
        if not atom.text or position >= stop:
            behind.append(atom)
        elif position == start:
            kept, behind, quotes = kept + behind, [], atom.quotes
        position += len(atom.text)
    if not inserted and len(kept) > 1 and kept[-1].is_quote and behind and behind[0] == kept[-1]:
        # A pair that has lost all that was in it, behind something else.
        del kept[-1], behind[0]
    return _joined(kept) + _spelled(inserted, quotes) + _joined(behind)


def _joined(atoms: list[_Atom]) -> str:
    return "".join(atom.raw for atom in atoms)


def _spelled(text: str, quotes: str) -> str:
    if quotes:
        return _escaped(text) if quotes == '"' else text
    return text if _NEEDS_NO_QUOTES.fullmatch(text) else f'"{_escaped(text)}"'


def _escaped(value: str) -> str:
    return re.sub(r'(["`\\])', r"\\\1", value)
