# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damage to a machine's files, in place and undone, and the values that a reading of damaged files may have."""

from __future__ import annotations

from .harm import LOSSES, Damage, Damaged, Specimen, damages
from .verdict import lies

__all__ = ["LOSSES", "Damage", "Damaged", "Specimen", "damages", "lies"]
