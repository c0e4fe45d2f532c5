# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules: their names, and what one is to a kernel."""

from __future__ import annotations

#: What a module is to one kernel.
LOADABLE, BUILT_IN, MISSING = "loadable", "built in", "missing"


def plain_module(name: str) -> str:
    """Return a module's name as the kernel compares it: with underscores."""
    return name.replace("-", "_")
