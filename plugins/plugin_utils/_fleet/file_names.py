# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names for hosts. A name in an inventory may be any text."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9._-]")
#: Bytes; file systems allow 255, and endings are added.
_LONGEST = 180
_PREFIX = 100


def file_stem(name: str) -> str:
    """Return the file name for a host, without its ending: different hosts have different ones.

    Letters, digits, `.`, `_` and `-` are kept, except that the first character is a letter, a digit or `_`. Each byte
    of another character is written as `~` and two hexadecimal digits. Long names end in a digest, after `~~`.

    Args:
        name: The name in the inventory.
    """
    stem = "".join(_encoded(character) for character in name) or "~"
    if stem[0] in ".-":
        stem = f"~{ord(stem[0]):02x}{stem[1:]}"
    if len(stem) <= _LONGEST:
        return stem
    return f"{stem[:_PREFIX]}~~{hashlib.sha256(_bytes(name)).hexdigest()[:32]}"


def _encoded(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return character
    return "".join(f"~{byte:02x}" for byte in _bytes(character))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
