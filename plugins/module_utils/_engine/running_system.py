# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps that make files effective in the running system, where that needs no reboot."""

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
from .._plan.udev_rule import RELOAD_RULES, RULE_FILE
from .._probe.tree import FILE_LIMIT, Tree

#: The huge pages that were requested since boot. Memory that was too fragmented for them then will be so until the next
#: boot, so that they are requested once per boot.
TRIED_FILE = "/run/vfio-workstation/hugepages-tried"
_UNITS = "/etc/systemd/system/"


class RunningSystem:
    """The steps in the running system; none for a captured tree.

    Args:
        tree: The machine's files.
        machine: The machine.
        plan: The plan for the host.
        file_steps: The steps of each section's files.
    """

    def __init__(self, tree: Tree, machine: Machine, plan: HostPlan, file_steps: Mapping[str, Sequence[Step]]) -> None:
        self._tree = tree
        self._machine = machine
        self._plan = plan
        changes = [step for steps in file_steps.values() for step in steps]
        self._written = {step.path for step in changes if isinstance(step, WriteFile)}
        self._removed = {step.path for step in changes if isinstance(step, RemoveFile)}
        self._has_systemd = tree.live and tree.exists("/run/systemd/system")
        # A running unit releases its CPUs by the files that it was started from, so they must not change before.
        self._holds_cpus = bool({UNIT_FILE, SCRIPT_FILE} & (self._written | self._removed)) and tree.exists(STATE)

    def steps_before_files(self) -> Iterator[Step]:
        """Yield the steps that must precede the changes of files: stopping what the present files started."""
        if not self._has_systemd:
            return
        if self._holds_cpus:
            yield RunTool(("systemctl", "stop", UNIT), ACTIVE, "release the isolated CPUs")
        for size in _mounted_sizes(self._removed):
            yield RunTool(stop_tool(size), ACTIVE, "unmount huge pages")

    def steps_after_files(self) -> Iterator[Step]:
        """Yield the steps that follow the changes of files."""
        if not self._tree.live:
            return
        yield from self._unit_steps()
        if self._tree.exists("/run/udev/control"):
            yield from self._rule_steps()
        yield from self._allocations()
        yield from self._releases()

    def _rule_steps(self) -> Iterator[Step]:
        changed = self._written | self._removed
        if ACCESS_RULE_FILE in changed:
            for argv in ACCESS_TOOLS:
                yield RunTool(argv, ACTIVE, "apply the access rule to present devices")
        elif RULE_FILE in changed:
            # Present functions are left to the next boot, see udev_rule.
            yield RunTool(RELOAD_RULES, ACTIVE, "apply the rule to devices that appear from now on")

    def _unit_steps(self) -> Iterator[Step]:
        has_units = any(path.startswith(_UNITS) for path in self._written | self._removed)
        if not self._has_systemd or not (has_units or self._holds_cpus):
            return
        yield RunTool(RELOAD_TOOL, ACTIVE, "reload systemd units")
        for size in _mounted_sizes(self._written):
            yield RunTool(start_tool(size), ACTIVE, "mount huge pages")
        if self._holds_cpus and UNIT_FILE not in self._removed:
            yield RunTool(("systemctl", "start", UNIT), ACTIVE, "isolate the CPUs again")

    def _allocations(self) -> Iterator[Step]:
        """Yield the steps that allocate missing huge pages, once per boot."""
        requested = self._plan.hugepages.runtime if self._plan.hugepages is not None else ()
        missing = [pages for pages in requested if self._lacks(pages)]
        tried = "".join(f"{count_path(pages)} {pages.pages}\n" for pages in requested)
        if not missing or self._tree.exact(TRIED_FILE, FILE_LIMIT) == tried:
            return
        yield WriteFile(TRIED_FILE, tried, RECORD, "record which huge pages are requested in this boot")
        for pages in missing:
            yield WriteAttribute(
                count_path(pages), str(pages.pages), ACTIVE, "allocate huge pages in the running system"
            )

    def _lacks(self, pages: RuntimePages) -> bool:
        present = allocated_pages(self._machine, pages)
        return present is not None and present < pages.pages

    def _releases(self) -> Iterator[Step]:
        """Yield the steps that free huge pages of an earlier run. The kernel frees pages in use when guests end."""
        if TMPFILES_FILE not in self._removed:
            return
        for path, count in counts_in(self._tree.text(TMPFILES_FILE, FILE_LIMIT) or ""):
            # A different number was set by somebody else since, and is left alone.
            if self._tree.text(path) == count:
                yield WriteAttribute(path, "0", ACTIVE, "free the huge pages that are no longer requested")
        if self._tree.exists(TRIED_FILE):
            yield RemoveFile(TRIED_FILE, RECORD, "no huge pages are requested any more")


def _mounted_sizes(paths: Collection[str]) -> list[int]:
    """Return the sizes of huge pages, in kB, whose mount unit is among these files."""
    return [size for size in HUGE_PAGE_SIZES_KB if mount_unit_path(size) in paths]
