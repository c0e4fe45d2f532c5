# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Described machines: compact descriptions (`*.yml`), and trees of files that are built from them.

`python -m tests.machines NAME DIRECTORY` builds a machine; README.md documents the descriptions.
"""

from __future__ import annotations

from .builder import build, build_described
from .description import load, load_but, names
from .generated import generate

__all__ = ["build", "build_described", "generate", "load", "load_but", "names"]
