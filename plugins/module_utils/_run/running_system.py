# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the running system is told beside its files, so that no reboot is needed where none is."""

from __future__ import annotations

from typing import Collection, Iterator, Mapping, Sequence

from .._machine import Machine
from .._machine.host_plan import HostPlan, RuntimePages
from .._machine.plan import ACTIVE, RECORD, RemoveFile, RunTool, Step, WriteAttribute, WriteFile
from .._plan.access import ACCESS_RULE_FILE, ACCESS_TOOLS
from .._plan.hugepages_files import (
    HUGE_PAGE_SIZES_KB,
    RELOAD_TOOL,
    TMPFILES_FILE,
    allocated_pages,
    count_path,
    counts_in,
    mount_unit_path,
    start_tool,
    stop_tool,
)
from .._plan.isolation import SCRIPT_FILE, STATE, UNIT, UNIT_FILE
from .._probe.tree import FILE_LIMIT, Tree

#: Which huge pages were asked for since the machine started; memory that had not enough in one piece then has no more
#: now, so that it is not asked again before the next boot.
TRIED_FILE = "/run/vfio-workstation/hugepages-tried"
_UNITS = "/etc/systemd/system/"


class Live:
    """The steps in the running system; none for a captured machine, which runs no more.

    Args:
        tree: The machine's files.
        machine: The machine.
        plan: What shall hold.
        own: The steps that each section's files need.
    """

    def __init__(self, tree: Tree, machine: Machine, plan: HostPlan, own: Mapping[str, Sequence[Step]]) -> None:
        self._tree = tree
        self._machine = machine
        self._plan = plan
        changes = [step for steps in own.values() for step in steps]
        self._written = {step.path for step in changes if isinstance(step, WriteFile)}
        self._removed = {step.path for step in changes if isinstance(step, RemoveFile)}
        self._has_systemd = tree.live and tree.exists("/run/systemd/system")
        # While the unit runs, it is by the files as they are that it gives CPUs back.
        self._holds_cpus = bool({UNIT_FILE, SCRIPT_FILE} & (self._written | self._removed)) and tree.exists(STATE)

    def before(self) -> Iterator[Step]:
        """Yield what is to be done while files are as they are: what they started is to end by them."""
        if not self._has_systemd:
            return
        if self._holds_cpus:
            yield RunTool(("systemctl", "stop", UNIT), ACTIVE, "give the CPUs back that are kept for guests")
        for size in _mounts(self._removed):
            yield RunTool(stop_tool(size), ACTIVE, "unmount huge pages")

    def after(self) -> Iterator[Step]:
        """Yield what is to be done once files are as they shall be."""
        if not self._tree.live:
            return
        yield from self._units()
        if ACCESS_RULE_FILE in self._written | self._removed and self._tree.exists("/run/udev/control"):
            for argv in ACCESS_TOOLS:
                yield RunTool(argv, ACTIVE, "give the devices that are there to those who may open them")
        yield from self._pages()
        yield from self._pages_back()

    def _units(self) -> Iterator[Step]:
        has_units = any(path.startswith(_UNITS) for path in self._written | self._removed)
        if not self._has_systemd or not (has_units or self._holds_cpus):
            return
        yield RunTool(RELOAD_TOOL, ACTIVE, "have systemd read its units")
        for size in _mounts(self._written):
            yield RunTool(start_tool(size), ACTIVE, "mount huge pages")
        if self._holds_cpus and UNIT_FILE not in self._removed:
            yield RunTool(
                ("systemctl", "start", UNIT), ACTIVE, "keep the CPUs for guests again, which were kept before"
            )

    def _pages(self) -> Iterator[Step]:
        wanted = self._plan.hugepages.runtime if self._plan.hugepages is not None else ()
        short = [one for one in wanted if self._lacks(one)]
        tried = "".join(f"{count_path(one)} {one.pages}\n" for one in wanted)
        if not short or self._tree.exact(TRIED_FILE, FILE_LIMIT) == tried:
            return
        yield WriteFile(TRIED_FILE, tried, RECORD, "note which huge pages are asked for in this boot")
        for one in short:
            yield WriteAttribute(count_path(one), str(one.pages), ACTIVE, "allocate huge pages in the running system")

    def _lacks(self, pages: RuntimePages) -> bool:
        there = allocated_pages(self._machine, pages)
        return there is not None and there < pages.pages

    def _pages_back(self) -> Iterator[Step]:
        """Yield what frees pages that we had allocated; those that guests use go when they are done with."""
        if TMPFILES_FILE not in self._removed:
            return
        for path, count in counts_in(self._tree.text(TMPFILES_FILE, FILE_LIMIT) or ""):
            # Whoever set another number since wants that one.
            if self._tree.text(path) == count:
                yield WriteAttribute(path, "0", ACTIVE, "free the huge pages that nothing is to use any more")
        if self._tree.exists(TRIED_FILE):
            yield RemoveFile(TRIED_FILE, RECORD, "no huge pages are asked for any more")


def _mounts(paths: Collection[str]) -> list[int]:
    """Return the sizes of huge pages, in kB, whose mount unit is among these files."""
    return [size for size in HUGE_PAGE_SIZES_KB if mount_unit_path(size) in paths]
