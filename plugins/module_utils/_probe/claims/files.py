# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files for the readers of claims: bounded, in the order of precedence, lines numbered."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

from ..tree import Tree

#: Bytes: more than any configuration file has.
FILE_LIMIT = 1 << 20
#: Bytes: more than any script has that somebody wrote to bind devices.
SCRIPT_LIMIT = 1 << 16
#: More files than any of these directories has.
MAX_FILES = 1024
_TEXT_LIMIT = 500
#: Where programs look for configuration, in the order of precedence.
_TOPS = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")


class Line(NamedTuple):
    """A line of a file, with those that continue it."""

    number: int  # of the first, counted from 1
    text: str


def content(tree: Tree, path: str, limit: int = FILE_LIMIT) -> str | None:
    """Return a file's text as it is; None where there is none, it is no text, or longer than a limit."""
    data = tree.data(path, limit)
    return None if data is None or b"\0" in data else data.decode("utf-8", "replace")


def lines(text: str, continued: bool = True) -> Iterator[Line]:
    """Yield the lines of a text that are neither empty nor comments.

    Args:
        text: The content of a file.
        continued: Whether a backslash at the end of a line continues it.
    """
    number = first = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        first = first if parts else number
        if continued and line.endswith("\\"):
            parts.append(line[:-1])
            continue
        joined = "".join([*parts, line]).strip()
        parts = []
        if joined and not joined.startswith("#"):
            yield Line(first, joined)
    joined = "".join(parts).strip()
    if joined and not joined.startswith("#"):
        yield Line(first, joined)


def in_folders(tree: Tree, name: str, suffix: str | tuple[str, ...], tops: Sequence[str] = _TOPS) -> Iterator[str]:
    """Yield the files that a program reads from drop-in directories, sorted by name across all of them.

    A file hides those of the same name in later directories; an empty one, or a link to /dev/null, masks them.

    Args:
        tree: The host.
        name: Of the directories, such as modprobe.d.
        suffix: Of the files that are read.
        tops: Where such directories are, in the order of precedence.
    """
    chosen: dict[str, str] = {}
    read = set()
    for top in tops:
        folder = f"{top}/{name}"
        real = tree.resolve(folder)
        if real is None or real in read:  # /lib is a link to /usr/lib on most hosts
            continue
        read.add(real)
        for file in tree.names(folder)[:MAX_FILES]:
            if file.endswith(suffix) and not file.startswith("."):
                chosen.setdefault(file, f"{folder}/{file}")
    for file in sorted(chosen):
        yield chosen[file]


def in_folder(tree: Tree, folder: str, suffix: str = "") -> Iterator[str]:
    """Yield the files of a directory by name, without hidden ones and the backups of editors and packages."""
    for name in tree.names(folder)[:MAX_FILES]:
        if (
            name.endswith(suffix)
            and not name.startswith(".")
            and not name.endswith(("~", ".bak", ".dpkg-old", ".rpmsave"))
        ):
            yield f"{folder}/{name}"


def shown(text: str) -> str:
    """Return a text as one line of bounded length that is safe to print."""
    text = re.sub(r"\s+", " ", text).strip()
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "..."
