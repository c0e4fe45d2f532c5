# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot loader specification entries of type 1: loader/entries/*.conf, of systemd-boot and of Fedora's GRUB.

https://uapi-group.org/specifications/specs/boot_loader_specification/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree

#: More entries than a menu can have; what exceeds it is damage.
MOST_ENTRIES = 512
_ENTRY_LIMIT = 65536
_TRIES = re.compile(r"\+[0-9]+(?:-[0-9]+)?$")  # how often to try, how often tried: no part of the identifier


class Type1(NamedTuple):
    """One entry file, its values as they stand there."""

    id: str
    file: str
    values: dict[str, tuple[str, ...]]  # by key, in the file's order

    def first(self, key: str) -> str | None:
        """Return the first value of a key."""
        return self.values.get(key, (None,))[0]

    def joined(self, key: str) -> str | None:
        """Return all values of a key that may be given more than once, as one."""
        values = self.values.get(key)
        return None if values is None else " ".join(value for value in values if value)


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Return an entry's values by key. Lines are a key, white space, a value; `#` begins a comment line."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = line.strip().split(None, 1)
        if parts and not parts[0].startswith("#"):
            values.setdefault(parts[0], []).append(parts[1] if len(parts) > 1 else "")
    return {key: tuple(lines) for key, lines in values.items()}


def read_entries(tree: Tree, folder: str) -> tuple[Type1, ...]:
    """Return the entries in a folder, such as /boot/loader/entries, by name."""
    entries = []
    for name in tree.names(folder)[:MOST_ENTRIES]:
        if not name.endswith(".conf") or not name.isprintable():
            continue
        file = f"{folder}/{name}"
        text = tree.text(file, _ENTRY_LIMIT)
        if text is not None:
            entries.append(Type1(identifier(name), file, parse(text)))
    return tuple(entries)


def identifier(name: str) -> str:
    """Return the identifier that a file's name gives: without its suffix, and without the count of tries."""
    return _TRIES.sub("", name[: -len(".conf")] if name.endswith(".conf") else name)
