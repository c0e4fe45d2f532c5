# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run notes for the next one to be quick: nothing that anything depends on."""

from __future__ import annotations

import os

from . import files


def remember(path: str, text: str) -> bool:
    """Write a note; return whether that was possible."""
    try:
        files.make_folder(os.path.dirname(path))
        files.write(path, text.encode("utf-8"), 0o600, files.keep(path))
    except OSError:
        return False
    return True


def forget(path: str) -> bool:
    """Remove a note; return whether that was possible."""
    try:
        files.remove(path)
    except OSError:
        return False
    return True
