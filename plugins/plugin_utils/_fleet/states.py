# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of hosts on pages: verdicts, and that of a host that was only reported."""

from __future__ import annotations

from ansible_collections.vfio.workstation.plugins.module_utils._text.verdict import VERDICTS
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.summary import REPORTED

#: Worst first.
FLEET_STATES = (*VERDICTS, REPORTED)


def state_text(word: str) -> str:
    """Return a state as it is printed."""
    return word.replace("_", " ")
