# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the running system is told once files are as they shall be, so that no reboot is needed where none is."""

from __future__ import annotations

from typing import Iterator

from .._machine import Machine
from .._machine.host_plan import HostPlan, RuntimePages
from .._machine.plan import ACTIVE, RECORD, Step, WriteAttribute, WriteFile
from .._plan.rows import pages_there
from .._probe.tree import Tree

#: Which huge pages were asked for since the machine started; memory that had not enough in one piece then has no more
#: now, so that it is not asked again before the next boot.
TRIED_FILE = "/run/vfio-workstation/hugepages-tried"


def live_steps(tree: Tree, machine: Machine, plan: HostPlan) -> Iterator[Step]:
    """Yield what is to be told to the running system; of a capture, which runs no more, nothing."""
    if not tree.live:
        return
    yield from _pages(tree, machine, plan)


def _pages(tree: Tree, machine: Machine, plan: HostPlan) -> Iterator[Step]:
    wanted = plan.hugepages.runtime if plan.hugepages is not None else ()
    short = [one for one in wanted if (pages_there(machine, one.node, one.size_kb) or 0) < one.pages]
    tried = "".join(f"{attribute(one)} {one.pages}\n" for one in wanted)
    if not short or tree.exact(TRIED_FILE) == tried:
        return
    yield WriteFile(TRIED_FILE, tried, RECORD, "note which huge pages are asked for in this boot")
    for one in short:
        yield WriteAttribute(attribute(one), str(one.pages), ACTIVE, "allocate huge pages in the running system")


def attribute(pages: RuntimePages) -> str:
    """Return the attribute with the count (Documentation/admin-guide/mm/hugetlbpage.rst)."""
    below = f"hugepages-{pages.size_kb}kB/nr_hugepages"
    if pages.node is None:
        return f"/sys/kernel/mm/hugepages/{below}"
    return f"/sys/devices/system/node/node{pages.node}/hugepages/{below}"
