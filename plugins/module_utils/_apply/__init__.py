# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only room that writes and runs: what a plan says, all of it or nothing."""

from __future__ import annotations

from .commands import ToolFailed, run
from .lock import Busy, locked
from .transaction import Failed, NotPutBack, Receipt, Transaction

__all__ = ["Busy", "Failed", "NotPutBack", "Receipt", "ToolFailed", "Transaction", "locked", "run"]
