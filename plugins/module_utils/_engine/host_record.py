# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what earlier runs decided, as it is on a host."""

from __future__ import annotations

from .._machine.host_plan import HOST_RECORD_FILE, HostRecord
from .._plan.host_record import parse_host_record
from .._probe.tree import FILE_LIMIT, Tree


def read_host_record(tree: Tree) -> HostRecord:
    """Return the record; an empty one where there is no file.

    Raises:
        DamagedRecord: The file is no record.
    """
    return parse_host_record(tree.text(HOST_RECORD_FILE, FILE_LIMIT) if tree.exists(HOST_RECORD_FILE) else None)
