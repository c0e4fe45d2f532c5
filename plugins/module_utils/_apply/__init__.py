# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only layer that writes files and runs tools: it applies all steps of a plan, or none of them."""

from __future__ import annotations

from .commands import ToolFailed, run
from .lock import Busy, locked
from .transaction import ApplyFailed, Receipt, Transaction, UndoFailed

__all__ = ["ApplyFailed", "Busy", "Receipt", "ToolFailed", "Transaction", "UndoFailed", "locked", "run"]
