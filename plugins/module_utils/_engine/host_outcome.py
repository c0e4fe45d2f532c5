# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of the module `host`: the steps of all its parts in their order, and how far the request has come."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, to_json
from .._machine.cmdline import carries
from .._machine.desired import Desired
from .._machine.host_plan import HOST_RECORD_FILE, HostContext, HostPlan, HostRecord, RequestState
from .._machine.plan import CONFIGURED, RECORD, STAGED, Refusal, RemoveFile, States, Step, WriteAttribute, WriteFile
from .._machine.trial import TrialRecord
from .._plan.file_steps import ExistingFile, file_steps, foreign_files
from .._plan.host_plan import DEVICES, OWN_FILES
from .._plan.host_record import render_host_record
from .._plan.hugepages_files import shortfall
from .._plan.request_states import CommandLines, Observed, all_active, request_states
from .._probe.tree import FILE_LIMIT, Tree
from .kernel_cmdline import CmdlineObservation
from .local_files import LocalSteps
from .outcome import Outcome
from .running_system import RunningSystem
from .since_boot import is_changed, note_steps
from .trial import TrialPart


class Host(NamedTuple):
    """The machine and the files that the plan depends on."""

    tree: Tree
    machine: Machine
    record: HostRecord
    context: HostContext
    trial: TrialRecord | None = None


class SectionFiles(NamedTuple):
    """The files that are wholly managed by this collection."""

    steps: Mapping[str, tuple[Step, ...]]  # by section
    refusals: tuple[Refusal, ...]

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of all sections."""
        return tuple(step for steps in self.steps.values() for step in steps)


class Parts(NamedTuple):
    """The outcome of each part of a plan; None where the plan leaves that part alone."""

    images: Outcome | None
    cmdline: CmdlineObservation | None
    files: SectionFiles
    local: LocalSteps = LocalSteps()
    trial: TrialPart = TrialPart()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes for images and for command lines, where the plan has them."""
        cmdline = self.cmdline.outcome if self.cmdline is not None else None
        return tuple(part for part in (self.images, cmdline) if part is not None)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The refusals of all parts."""
        of_files = (*self.trial.refusals, *self.files.refusals, *self.local.refusals)
        return (*of_files, *(refusal for part in self.outcomes for refusal in part.refusals))

    @property
    def arguments_active(self) -> bool:
        """Whether the running kernel has the requested arguments, and none that are no longer requested."""
        return self.cmdline is None or self.cmdline.outcome.states.active is not False


def states_of_requests(host: Host, plan: HostPlan, parts: Parts, desired: Desired) -> tuple[RequestState, ...]:
    """Return the states of each request but that for trial boots."""
    return tuple(request_states(host.machine, desired, plan, _observed(host, plan, parts)))


def outcome(
    host: Host, plan: HostPlan, parts: Parts, requests: Sequence[RequestState], findings: tuple[Refusal, ...] = ()
) -> Outcome:
    """Return the outcome of a plan.

    Args:
        host: The host.
        plan: The plan.
        parts: The outcome of its parts.
        requests: The states of all requests; none where sections are removed.
        findings: What the host has lost to others.
    """
    steps = _steps(host, plan, parts)
    return Outcome(
        tree=host.tree,
        refusals=parts.refusals,
        steps=() if parts.refusals else steps,
        states=_states(plan, parts, requests),
        values=_values(plan, parts),
        diffs=tuple(diff for part in parts.outcomes for diff in part.diffs),
        warnings=_warnings(host, plan, parts, steps),
        live={"requests": to_json(requests), "findings": to_json(findings), "trial": parts.trial.value},
        reboot_helps=is_changed(host.tree, steps) or not parts.arguments_active,
    )


def refused(tree: Tree, refusals: tuple[Refusal, ...], findings: tuple[Refusal, ...] = ()) -> Outcome:
    """Return the outcome where there is no plan."""
    values: dict[str, Any] = {"notes": [], "devices": None, "cpus": None}
    return Outcome(
        tree,
        refusals,
        (),
        States(False, False, None),
        values,
        (),
        (),
        live={"requests": [], "findings": to_json(findings), "trial": None},
    )


def inspect_files(tree: Tree, plan: HostPlan) -> SectionFiles:
    """Compare the files of each section in the plan with those on the machine."""
    steps: dict[str, tuple[Step, ...]] = {}
    refusals: list[Refusal] = []
    for section, files in plan.files.items():
        paths = OWN_FILES.get(section, ())
        present = _present_files(tree, paths)
        steps[section] = tuple(file_steps(section, paths, files, present))
        refusals.extend(foreign_files(files, present))
    return SectionFiles(steps, tuple(refusals))


def _present_files(tree: Tree, paths: Sequence[str]) -> dict[str, ExistingFile]:
    present = {}
    for path in paths:
        text, status = tree.exact(path, FILE_LIMIT), tree.status(path)
        if status is not None:
            present[path] = ExistingFile(text or "", status.st_mode & 0o7777)
    return present


def _steps(host: Host, plan: HostPlan, parts: Parts) -> tuple[Step, ...]:
    """Return all steps in the order in which they are carried out.

    Kernel arguments come last: all else has no effect at boot without them, so a run that is killed before them leaves
    a machine that boots as before. Arming a trial boot comes after all of it. Generators copy udev rules and modprobe.d
    of the running system into images, and images must not have those of the sections: they are removed before images
    are rebuilt, and written after. Foreign lines are changed before that, too, so that each image is rebuilt once.
    """
    all_files = {**parts.files.steps, "local_command": parts.local.changes}
    running = RunningSystem(host.tree, host.machine, plan, all_files)
    file_changes = parts.files.all_steps
    steps = (
        *parts.trial.before,
        *running.steps_before_files(),
        *parts.local.record,
        *_record_written(host.record, plan.record),
        *plan.foreign,
        *(step for step in file_changes if isinstance(step, RemoveFile)),
        *(parts.images.steps if parts.images is not None else ()),
        *(step for step in file_changes if not isinstance(step, RemoveFile)),
        *parts.local.changes,
        *(parts.cmdline.outcome.steps if parts.cmdline is not None else ()),
        *running.steps_after_files(),
        *_record_removed(host.record, plan.record),
        *parts.local.last,
        *parts.trial.after,
    )
    return (*note_steps(host.tree, steps), *steps)


def _record_written(before: HostRecord, after: HostRecord) -> Iterator[Step]:
    if after not in (before, HostRecord()):
        yield WriteFile(HOST_RECORD_FILE, render_host_record(after), RECORD, "record the selected devices and CPUs")


def _record_removed(before: HostRecord, after: HostRecord) -> Iterator[Step]:
    if before != after == HostRecord():
        yield RemoveFile(HOST_RECORD_FILE, RECORD, "no device or CPU is managed any more")


def _states(plan: HostPlan, parts: Parts, requests: Sequence[RequestState]) -> States:
    is_armed = all(step.effect != STAGED for step in parts.trial.after)
    is_ready = not parts.refusals and not parts.files.all_steps and not plan.foreign and is_armed
    return States(
        configured=is_ready and all(part.states.configured for part in parts.outcomes),
        staged=is_ready and all(part.states.staged for part in parts.outcomes),
        active=all_active(requests, parts.arguments_active),
    )


def _observed(host: Host, plan: HostPlan, parts: Parts) -> Observed:
    """Return what of the plan is on the machine, for the states of single requests."""
    running = host.machine.boot.running.cmdline
    cmdline = parts.cmdline
    lines = (
        CommandLines(cmdline.outcome.states.configured, cmdline.owners, cmdline.entries, running)
        if cmdline is not None
        else CommandLines(True, {}, (), running)
    )
    pending = {section: frozenset(step.effect for step in steps) for section, steps in parts.files.steps.items()}
    if parts.images is not None and not (parts.images.states.configured and parts.images.states.staged):
        of_images = STAGED if parts.images.states.configured else CONFIGURED
        pending[DEVICES] = pending.get(DEVICES, frozenset()) | {of_images}
    if plan.foreign:
        pending[DEVICES] = pending.get(DEVICES, frozenset()) | {CONFIGURED}
    return Observed(lines, pending, dict(host.context.kvm_values))


def _warnings(host: Host, plan: HostPlan, parts: Parts, steps: Sequence[Step]) -> tuple[str, ...]:
    # Images and command lines may warn of the same kernel.
    of_parts = dict.fromkeys(warning for part in parts.outcomes for warning in part.warnings)
    return (*of_parts, *_missing_pages(host.machine, plan, steps))


def _missing_pages(machine: Machine, plan: HostPlan, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return which huge pages the running system lacks, unless this run still allocates them."""
    if plan.hugepages is None or any(isinstance(step, WriteAttribute) for step in steps):
        return ()
    booted_with = carries(machine.boot.running.cmdline or "", plan.hugepages.arguments)
    return shortfall(plan.hugepages if booted_with else plan.hugepages._replace(at_boot=()), machine)


def _values(plan: HostPlan, parts: Parts) -> dict[str, Any]:
    values: dict[str, Any] = {"loader": None, "entries": [], "generator": None, "images": []}
    for part in parts.outcomes:
        values.update(part.values)
    values["notes"] = [*plan.notes, *parts.trial.notes]
    values["devices"] = to_json(plan.bindings)
    values["cpus"] = to_json(plan.cpus)
    return values
