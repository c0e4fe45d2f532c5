# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readers of the output of lspci, lscpu and lstopo, which read the same files as the probe."""

from __future__ import annotations

from .hwloc import Hwloc, read_hwloc
from .lscpu import LscpuRow, read_lscpu, read_lscpu_summary
from .lspci import LspciFunction, read_lspci, read_serial_numbers, serial_numbers

__all__ = [
    "Hwloc",
    "LscpuRow",
    "LspciFunction",
    "read_hwloc",
    "read_lscpu",
    "read_lscpu_summary",
    "read_lspci",
    "read_serial_numbers",
    "serial_numbers",
]
