# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trial as the booted machine sees it: start, confirm, return. The caller decides which, and when."""

from __future__ import annotations

from typing import Sequence

from .._apply import ToolFailed, Transaction, run
from .._machine.plan import RECORD, Refusal, Step, WriteFile
from .._machine.trial import FINAL, RETURNED, STAGED, STARTED, STOCK, TRIAL_FILE, TrialRecord
from .._plan.trial import confirmed, has_returned, is_missed, render_trial
from .._probe.boot.boot_chain import read_boot
from .._probe.network import has_default_route
from .._probe.tree import Tree
from .kernel_cmdline import managed_units, read_loader
from .trial import boot_id, is_running, read_record, watchdog_removal

_JOURNAL_LINES = 20
_REASONS = {
    STAGED: "the trial boot did not reach its unit: the kernel panicked or hung, or the machine lost power",
    STARTED: "the trial boot ended before it was verified: the machine panicked, hung, was reset or lost power",
}


class TrialRun:
    """The trial of the running machine.

    Args:
        root: Folder of the machine's files; `/` except in tests.

    Raises:
        DamagedRecord: The record can't be read.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._tree = Tree(root)
        boot = read_boot(self._tree)
        loader = read_loader(self._tree, boot)
        self._loader = None if isinstance(loader, Refusal) else loader.trial
        self._boot = boot_id(self._tree)
        self._is_running = is_running(boot.running.cmdline, managed_units(self._tree))
        self.record = read_record(self._tree)

    @property
    def is_trial(self) -> bool:
        """Whether this boot is a trial that is not confirmed yet; call `begin` first."""
        return self.record is not None and (self.record.phase, self.record.boot) == (STARTED, self._boot)

    def refresh(self) -> None:
        """Read the record again: the module may have confirmed the trial."""
        self._tree = Tree(self._root)
        self.record = read_record(self._tree)

    def begin(self) -> None:
        """Record what this boot is: the trial, or the one after a trial that was not confirmed."""
        record = self.record
        if record is None:
            return
        choice = self._loader.choice if self._loader is not None else None
        if choice == FINAL or is_missed(record, choice, self._boot, is_running=self._is_running):
            return
        if has_returned(record, self._boot, is_running=self._is_running):
            self._end(record)
        elif record.phase in (STAGED, STARTED) and record.boot != self._boot:
            # Where a person chose the entry, the boot loader has not replaced the choice; and the firmware may have
            # lost its variables.
            self._store(record._replace(phase=STARTED, boot=self._boot), choice=STOCK)

    def _end(self, record: TrialRecord) -> None:
        if record.phase != RETURNED:
            journal = journal_of(-1)
            record = record._replace(phase=RETURNED, boot=self._boot, reason=_REASONS[record.phase], journal=journal)
        self._store(record, choice=STOCK, more=tuple(watchdog_removal(self._tree)))

    def await_controller(self) -> None:
        """Leave the confirmation of the next boot to a controller."""
        if self.record is not None and self.record.phase == STAGED and self.record.boot == self._boot:
            self._store(self.record._replace(controller=True))

    def lacks_route(self) -> bool:
        """Tell whether the host has lost its default route."""
        return self.record is not None and self.record.routed and not has_default_route(Tree(self._root))

    def confirm(self) -> None:
        """Make the running configuration the default."""
        more = tuple(watchdog_removal(self._tree))
        self._store(confirmed(self._present(), self._boot), choice=FINAL, more=more)

    def give_up(self, reason: str) -> None:
        """Record why the next boot is the one without VFIO.

        Args:
            reason: The reason, as a clause.
        """
        record = self._present()._replace(phase=RETURNED, boot=self._boot, reason=reason, journal=journal_of(0))
        self._store(record, choice=STOCK)

    def _present(self) -> TrialRecord:
        if self.record is None:
            raise AssertionError("there is no record of a trial")
        return self.record

    def _store(self, record: TrialRecord, choice: str | None = None, more: Sequence[Step] = ()) -> None:
        steps: list[Step] = []
        if choice is not None and self._loader is not None:
            steps.extend(self._loader.steps(choice, self._loader.choice, record.kernel))
        if record != self.record:
            steps.append(
                WriteFile(TRIAL_FILE, render_trial(record), RECORD, f"record that the trial is {record.phase}")
            )
        with Transaction({}, self._root) as transaction:
            transaction.apply((*steps, *more))
        self.record = record


def journal_of(boot: int) -> tuple[str, ...]:
    """Return the last errors in the journal of a boot; nothing where it is not kept.

    Args:
        boot: As journalctl(1) counts: 0 for the running one, -1 for the one before.
    """
    argv = ("journalctl", "-q", "-b", str(boot), "-p", "err", "-n", str(_JOURNAL_LINES), "-o", "short", "--no-pager")
    try:
        return tuple(line[:200] for line in run(argv, 60).splitlines())
    except ToolFailed:
        return ()
