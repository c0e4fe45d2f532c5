# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose requests a call is about."""

from __future__ import annotations

import re

_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def check_owner(owner: str) -> list[str]:
    """Return what is wrong with an owner's name, with what was found and what was expected."""
    if _OWNER.fullmatch(owner):
        return []
    return [f"owner: {owner!r} is no name of an owner. It has up to 64 of a-z, 0-9, _ and -, a letter first."]
