# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first line of every file of this collection, which tells it from foreign files."""

from __future__ import annotations

_MARK = "# Made by the Ansible collection vfio.workstation"


def head(subject: str) -> str:
    """Return the first line of a file of this collection; `#` begins a comment in all formats that it writes."""
    return f"{_MARK}: {subject}\n"


def is_ours(text: str) -> bool:
    """Tell whether a file was written by this collection, in any version. In a script, the line follows the shebang."""
    return any(line.startswith(_MARK) for line in text.split("\n", 2)[:2])
