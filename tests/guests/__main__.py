# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the domain that is planned for a described machine: `python -m tests.guests NAME SYSTEM`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import plan_present
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.mark import with_mark

from .hosts import provisioned, usual_guest


def main(name: str, system: str) -> None:
    """Print the domain, or why it is refused."""
    with tempfile.TemporaryDirectory() as directory:
        host = provisioned(name, Path(directory, "machine"))
    change = plan_present(host, usual_guest(host, system), None)
    for refusal in change.refusals:
        print(f"{refusal.code}: {refusal.seen}")
    if change.after is not None:
        print(render(with_mark(change.after, None)), end="")
    for note in change.plan.notes if change.plan else ():
        print(f"note: {note}", file=sys.stderr)


main(*sys.argv[1:])
