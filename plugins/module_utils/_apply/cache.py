# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cache files, which speed up the next run and are safe to lose."""

from __future__ import annotations

import os

from . import files


def write_cache(path: str, text: str) -> bool:
    """Write a cache file; return whether that was possible."""
    try:
        files.make_directories(os.path.dirname(path))
        files.write(path, text.encode("utf-8"), 0o600, files.take_snapshot(path))
    except OSError:
        return False
    return True


def remove_cache(path: str) -> bool:
    """Remove a cache file; return whether that was possible."""
    try:
        files.remove(path)
    except OSError:
        return False
    return True
