# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The width of the terminal that output goes to: of a playbook on the controller, of the command on a host."""

from __future__ import annotations

import os
import sys

#: Without a terminal: what every one has.
DEFAULT = 80
#: A table with fewer columns can't be read, and one with more is read no better.
_LEAST, _MOST = 60, 160


def terminal_width() -> int:
    """Return how many columns a line may have: those of COLUMNS, else of the terminal, else 80."""
    try:
        columns = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns
        except (OSError, ValueError):
            columns = 0
    return min(max(columns or DEFAULT, _LEAST), _MOST)
