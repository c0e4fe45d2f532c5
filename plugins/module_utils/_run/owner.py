# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `owner`: the identifier of the caller, as `marker` in blockinfile."""

from __future__ import annotations

import re

_OWNER = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def check_owner(owner: str) -> list[str]:
    """Return the mistakes in the name of an owner: what was found, what was expected, what to do."""
    if _OWNER.fullmatch(owner):
        return []
    return [f"owner: invalid name {owner!r}. Use up to 64 characters of a-z, 0-9, _ and -, beginning with a letter."]
