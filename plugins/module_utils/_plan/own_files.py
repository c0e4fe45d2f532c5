# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our own files begin with, so that nobody's file is taken for one of ours."""

from __future__ import annotations

_MARK = "# Made by the Ansible collection vfio.workstation"


def head(subject: str) -> str:
    """Return the first line of a file of ours; `#` begins a comment in all of their languages."""
    return f"{_MARK}: {subject}\n"


def is_ours(text: str) -> bool:
    """Tell whether a file's text is of our making, if maybe of another version's; a script has its shebang before."""
    return any(line.startswith(_MARK) for line in text.split("\n", 2)[:2])
