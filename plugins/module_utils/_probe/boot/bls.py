# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Type 1 entries of the Boot Loader Specification: loader/entries/*.conf of systemd-boot and of Fedora's GRUB.

https://uapi-group.org/specifications/specs/boot_loader_specification/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree

#: More entries than any menu has; those beyond this number are ignored.
MAX_ENTRIES = 512
_ENTRY_LIMIT = 65536
_BOOT_COUNTER = re.compile(r"\+[0-9]+(?:-[0-9]+)?$")  # tries left, and tries done: not part of the identifier


class Type1Entry(NamedTuple):
    """One entry file, with its values as written."""

    id: str
    file: str
    values: dict[str, tuple[str, ...]]  # by key, in the file's order

    def first(self, key: str) -> str | None:
        """Return the first value of a key."""
        return self.values.get(key, (None,))[0]

    def joined(self, key: str) -> str | None:
        """Return all values of a key that may be repeated, joined by spaces."""
        values = self.values.get(key)
        return None if values is None else " ".join(value for value in values if value)


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Return an entry's values by key. A line is a key, white space and a value; `#` begins a comment line."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = line.strip().split(None, 1)
        if parts and not parts[0].startswith("#"):
            values.setdefault(parts[0], []).append(parts[1] if len(parts) > 1 else "")
    return {key: tuple(key_values) for key, key_values in values.items()}


def read_entries(tree: Tree, directory: str) -> tuple[Type1Entry, ...]:
    """Return the entries in a directory, such as /boot/loader/entries, in the order of their names."""
    entries = []
    for name in tree.names(directory)[:MAX_ENTRIES]:
        if not name.endswith(".conf") or not name.isprintable():
            continue
        file = f"{directory}/{name}"
        text = tree.text(file, _ENTRY_LIMIT)
        if text is not None:
            entries.append(Type1Entry(identifier(name), file, parse(text)))
    return tuple(entries)


def identifier(name: str) -> str:
    """Return the identifier of an entry: the name of its file without the suffix and the boot counter."""
    return _BOOT_COUNTER.sub("", name[: -len(".conf")] if name.endswith(".conf") else name)
