# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules: their names, and whether a kernel has them."""

from __future__ import annotations

#: Whether one kernel has a module: as a file to load, compiled in, or not at all.
LOADABLE, BUILT_IN, MISSING = "loadable", "built in", "missing"


def plain_module(name: str) -> str:
    """Return a module's name as the kernel compares names: with underscores instead of dashes."""
    return name.replace("-", "_")
