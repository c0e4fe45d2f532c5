# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this collection wrote itself: files by their first lines, kernel arguments by its record."""

from __future__ import annotations

import json
from typing import Any

from ..._machine import cmdline
from ..._machine.boot_config import RECORD_FILE
from ..tree import Tree

#: Of a file's first two lines: a script has its shebang before.
_MARKS = ("# Made by the Ansible collection vfio.workstation", "# Written by the Ansible collection vfio.workstation")
#: Arguments of the running kernel that have been removed from all command lines.
_RETIRED_FILE = "/run/vfio-workstation/retired-arguments.json"
_LIMIT = 8 << 20


def is_managed(text: str) -> bool:
    """Return whether a file's text is this collection's."""
    return any(line.startswith(_MARKS) for line in text.split("\n", 2)[:2])


class ManagedArguments:
    """The kernel arguments that this collection manages.

    Args:
        tree: The host.
    """

    def __init__(self, tree: Tree) -> None:
        record = _json(tree, RECORD_FILE)
        retired = _json(tree, _RETIRED_FILE)
        self._provided = _meanings(record.get("provided") if isinstance(record, dict) else None)
        self._retired = _meanings(retired)
        shared = record.get("shared") if isinstance(record, dict) else None
        self._shared = {
            (item.get("path"), meaning)
            for item in (shared if isinstance(shared, list) else ())
            if isinstance(item, dict) and isinstance(item.get("path"), str)
            for meaning in _meanings([item.get("unit")])
        }

    def has(self, argument: cmdline.Argument, path: str) -> bool:
        """Return whether an argument in a file is managed; one that the line had before is not."""
        if argument.meaning in self._retired and path == "/proc/cmdline":
            return True
        return argument.meaning in self._provided and (path, argument.meaning) not in self._shared


def _meanings(texts: Any) -> set[tuple[str, str | None]]:
    strings = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    return {meaning for text in strings for meaning in cmdline.meanings(text)}


def _json(tree: Tree, path: str) -> Any:
    try:
        return json.loads(tree.text(path, _LIMIT) or "null")
    except (ValueError, RecursionError):
        return None
