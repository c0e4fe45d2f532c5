# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The distribution, by os-release(5)."""

from __future__ import annotations

import re

from .._machine import Os
from .tree import Tree

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# A shell word consists of single-quoted, double-quoted, escaped and plain pieces.
_PIECE = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<plain>[^\s'"\\]+)""", re.DOTALL
)
_ESCAPED = re.compile(r'\\([$"`\\])')


def read_os(tree: Tree) -> Os:
    """Return the distribution from the first os-release file that exists."""
    with tree.reading("os"):
        text = tree.text("/etc/os-release")
        if text is None:
            text = tree.text("/usr/lib/os-release")
    values = assignments(text or "")
    return Os(
        id=_word(values, "ID"),
        version_id=_word(values, "VERSION_ID"),
        like=tuple(values.get("ID_LIKE", "").split()),
    )


def assignments(text: str) -> dict[str, str]:
    """Return the variables of a file of shell assignments, unquoted as by a shell. The last of equal names wins."""
    values = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.match(line)
        if match is not None:
            values[match.group(1)] = unquote(match.group(2))
    return values


def unquote(value: str) -> str:
    """Return the first word of a shell text without its quotes; text after an unclosed quote is kept as it is."""
    parts: list[str] = []
    position = 0
    while position < len(value):
        match = _PIECE.match(value, position)
        if match is None:
            rest = value[position:]
            return "".join(parts) + ("" if rest[0].isspace() else rest.lstrip("'\"\\").rstrip())
        double = match.group("double")
        parts.append(match.group(match.lastgroup or 0) if double is None else _ESCAPED.sub(r"\1", double))
        position = match.end()
    return "".join(parts)


def _word(values: dict[str, str], name: str) -> str | None:
    return values.get(name, "").strip() or None
