# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the folder of a captured tree."""

from __future__ import annotations

import os

#: Folders at the root of every machine, at least one of which a captured tree has.
_ROOT_FOLDERS = ("sys", "proc")


def check_root(root: str) -> list[str]:
    """Return the mistakes in a root: what was found, what was expected, what to do."""
    remedy = "Set it to the directory with sys/ and proc/ of the captured machine, or omit it to read this machine."
    if not os.path.exists(root):
        return [f"root: {root} does not exist on this machine. {remedy}"]
    if not os.path.isdir(root):
        return [f"root: {root} is not a directory. Unpack an archive first. {remedy}"]
    if not any(os.path.isdir(os.path.join(root, name)) for name in _ROOT_FOLDERS):
        return [f"root: {root} contains neither sys/ nor proc/. {remedy}"]
    return []
