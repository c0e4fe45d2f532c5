# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a system in a guest reports on itself, in the lines of `_plan/guest/inside_command.py`."""

from __future__ import annotations

import re
from typing import Sequence

from ..._machine.guest_inside import GuestCpus, GuestFunction, GuestInside

_ID = re.compile(r"[0-9a-f]{4}", re.ASCII)
_STATES = {"on": True, "off": False}
_MOST_DIGITS = 6


def read_inside(text: str) -> GuestInside | None:
    """Return what a guest reports; None where the report has no end: the script failed, or it was cut off."""
    functions, cpus, states, is_whole = [], None, {}, False
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "pci":
            function = _function(words[1:])
            functions += [function] if function is not None else []
        elif words[0] == "cpus":
            cpus = _cpus(words[1:])
        elif words == ["end"]:
            is_whole = True
        elif len(words) == 2:
            states[words[0]] = _STATES.get(words[1])
    if not is_whole:
        return None
    return GuestInside(tuple(functions), cpus, states.get("secure_boot"), states.get("tpm"), states.get("vbs"))


def _function(words: Sequence[str]) -> GuestFunction | None:
    if len(words) != 4 or not _ID.fullmatch(words[0]) or not _ID.fullmatch(words[1]):
        return None
    problem = _number(words[3])
    return GuestFunction(words[0], words[1], None if words[2] == "-" else words[2], problem or None)


def _cpus(words: Sequence[str]) -> GuestCpus | None:
    threads, cores, packages = map(_number, words) if len(words) == 3 else (None, None, None)
    if not threads or not cores or not packages:
        return None
    return GuestCpus(threads, cores, packages)


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS else None
