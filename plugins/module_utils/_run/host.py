# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a machine one whose devices, memory and CPUs can be given to guests: all sections in one pass."""

from __future__ import annotations

from typing import Any, Iterator, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._apply.transaction import Check
from .._machine import Machine, to_json
from .._machine.cmdline import carries
from .._machine.desired import Desired
from .._machine.host_plan import HOST_RECORD_FILE, HostContext, HostPlan, HostRecord
from .._machine.plan import RECORD, Refusal, RemoveFile, States, Step, WriteAttribute, WriteFile
from .._plan.boot.cmdline_change import CmdlineRequest
from .._plan.boot.cmdline_record import DamagedRecord
from .._plan.file_steps import Found, file_steps, foreign_files
from .._plan.host_plan import DEVICES, OWN_FILES, SECTIONS, owner_of, plan_absent, plan_host
from .._plan.host_record import parse_host_record, render_host_record
from .._plan.hugepages_files import shortfall
from .._plan.parse_desired import parse_desired
from .._plan.refusals import refuse
from .._plan.rows import Lines, Seen, all_active, rows
from .._probe import probe
from .._probe.host_context import read_host_context
from .._probe.tree import FILE_LIMIT, Tree
from . import initramfs, kernel_cmdline
from .converge import Outcome, converge
from .info import check_planned_root
from .running_system import Live
from .since_boot import is_changed, note_steps

_REQUESTS = (*SECTIONS, "memory_for_host", "accept")

ARGUMENTS: dict[str, dict[str, Any]] = {
    **{name: {"type": "raw"} for name in _REQUESTS},
    "conflicts": {"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "sections": {"type": "list", "elements": "str", "choices": list(SECTIONS)},
    "root": {"type": "path", "default": "/"},
}


def run_host() -> NoReturn:
    """Bring the sections that are spoken of about, or take sections away."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    desired = parse_desired({name: module.params[name] for name in _REQUESTS})
    errors = [*check_parameters(module.params, module.check_mode), *(desired if isinstance(desired, list) else ())]
    if errors or isinstance(desired, list):
        module.fail_json(msg="\n".join(errors))
    absent = tuple(module.params["sections"] or SECTIONS) if module.params["state"] == "absent" else None
    replace = module.params["conflicts"] == "replace"
    session = HostRun(desired, absent, replace, remembers=not module.check_mode, root=module.params["root"])
    converge(module, session.observe, session.checks)


def check_parameters(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Return what is wrong with the parameters beside the requests: what was found, what was expected, what to do."""
    errors = check_planned_root(params["root"], check_mode)
    spoken = [name for name in SECTIONS if params.get(name) is not None]
    if params["state"] == "absent" and spoken:
        errors.append(
            f"state: absent takes sections away, and {', '.join(spoken)} is wanted at the same time. "
            "Leave the requests out, and name in `sections` what is to go."
        )
    if params["state"] == "present" and params["sections"] is not None:
        errors.append("sections: it says what state=absent takes away. Leave it out, or set state=absent.")
    return errors


class HostRun:
    """One run: looks at the machine as often as asked.

    Args:
        desired: What is wanted.
        absent: The sections that are to go; None where requests are to come true.
        replace: Whether kernel arguments of others that contradict ours stand back.
        remembers: Whether to note what initramfs images hold for the next run.
        root: Folder of the machine's files; `/` but for captured machines and in tests.
    """

    def __init__(
        self,
        desired: Desired,
        absent: Sequence[str] | None = None,
        replace: bool = False,
        remembers: bool = False,
        root: str = "/",
    ) -> None:
        self._desired = desired
        self._absent = absent
        self._replace = replace
        self._remembers = remembers
        self._root = root
        self._initramfs: initramfs.InitramfsRun | None = None
        #: What drafts must pass, by the names that steps give; each look at the machine adds those of initramfs images.
        self.checks: dict[str, Check] = dict(kernel_cmdline.draft_checks(root))

    def observe(self) -> Outcome:
        """Look at the machine with the requests in mind."""
        machine = probe(self._root).host
        tree = Tree(self._root)
        try:
            record = parse_host_record(
                tree.text(HOST_RECORD_FILE, FILE_LIMIT) if tree.exists(HOST_RECORD_FILE) else None
            )
        except DamagedRecord as error:
            damaged = refuse("record_damaged", f"{HOST_RECORD_FILE} can't be read: {error}.")
            return _refused(tree, (damaged,))
        context = read_host_context(tree, [path for paths in OWN_FILES.values() for path in paths])
        plan = self._plan(machine, record, context)
        if isinstance(plan, HostPlan):
            return self._outcome(tree, machine, record, plan, context)
        return _refused(tree, plan)

    def _plan(self, machine: Machine, record: HostRecord, context: HostContext) -> HostPlan | tuple[Refusal, ...]:
        if self._absent is not None:
            return plan_absent(record, self._absent)
        return plan_host(machine, self._desired, record, context)

    def _outcome(
        self, tree: Tree, machine: Machine, record: HostRecord, plan: HostPlan, context: HostContext
    ) -> Outcome:
        """Put together what the parts say: images first, which do nothing without the arguments, and lines last."""
        images = self._look_at_images(tree, machine, plan)
        lines, command_lines = self._look_at_lines(tree, machine, plan)
        there = {section: _found_files(tree, OWN_FILES.get(section, ())) for section in plan.files}
        own = {
            section: tuple(file_steps(section, OWN_FILES.get(section, ()), files, there[section]))
            for section, files in plan.files.items()
        }
        foreign = tuple(one for section, files in plan.files.items() for one in foreign_files(files, there[section]))
        refusals = (*foreign, *(images.refusals if images else ()), *(lines.refusals if lines else ()))
        pending = {section: frozenset(step.effect for step in steps) for section, steps in own.items()}
        if images is not None and not (images.states.configured and images.states.staged):
            pending[DEVICES] = frozenset({"staged"} if images.states.configured else {"configured"})
        seen = Seen(command_lines, pending, dict(context.kvm_values))
        found = tuple(rows(machine, self._desired, plan, seen)) if self._absent is None else ()
        live = Live(tree, machine, plan, own)
        removals, writes = _removals_and_writes([step for steps in own.values() for step in steps])
        steps = (
            *live.before(),
            *_record_first(record, plan.record),
            # What makes images puts udev rules and modprobe.d into them, ours of the running system too.
            *removals,
            *(images.steps if images else ()),
            *writes,
            *(lines.steps if lines else ()),
            *live.after(),
            *_record_last(record, plan.record),
        )
        steps = (*note_steps(tree, steps), *steps)
        parts = [part for part in (images, lines) if part is not None]
        gone = lines is None or lines.states.active is not False
        active = all_active(found, gone)
        return Outcome(
            tree,
            refusals,
            () if refusals else steps,
            States(
                configured=not refusals and all(part.states.configured for part in parts) and not any(own.values()),
                staged=not refusals and all(part.states.staged for part in parts) and not any(own.values()),
                active=active,
            ),
            _values(plan, parts),
            tuple(diff for part in parts for diff in part.diffs),
            (*dict.fromkeys(warning for part in parts for warning in part.warnings), *_shortfall(plan, machine, steps)),
            live={"requests": to_json(found)},
            reboot_helps=is_changed(tree, steps) or not gone,
        )

    def _look_at_images(self, tree: Tree, machine: Machine, plan: HostPlan) -> Outcome | None:
        """Look into the initramfs images, where the plan speaks of them."""
        if DEVICES not in plan.initramfs:
            return None
        if self._initramfs is None:
            self._initramfs = initramfs.InitramfsRun(DEVICES, plan.initramfs[DEVICES], self._remembers, self._root)
        found = self._initramfs.look(tree, machine.boot)
        self.checks.update(self._initramfs.checks)
        return found

    def _look_at_lines(self, tree: Tree, machine: Machine, plan: HostPlan) -> tuple[Outcome | None, Lines]:
        """Look at the command lines, where the plan speaks of them."""
        if not plan.arguments:
            return None, Lines(True, {}, (), machine.boot.running.cmdline)
        asked = [(owner_of(section), units) for section, units in plan.arguments.items()]
        request = CmdlineRequest(*asked[0], self._replace, self._desired.accepted, tuple(asked[1:]))
        found = kernel_cmdline.look(tree, request, machine.boot)
        configured = found.outcome.states.configured
        return found.outcome, Lines(configured, found.owners, found.entries, machine.boot.running.cmdline)


def _removals_and_writes(steps: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    removals: list[Step] = [step for step in steps if isinstance(step, RemoveFile)]
    return removals, [step for step in steps if step not in removals]


def _found_files(tree: Tree, paths: Sequence[str]) -> dict[str, Found]:
    found = {}
    for path in paths:
        text, status = tree.exact(path, FILE_LIMIT), tree.status(path)
        if status is not None:
            found[path] = Found(text or "", status.st_mode & 0o7777)
    return found


def _shortfall(plan: HostPlan, machine: Machine, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return which huge pages the running system should have had by now, and has not."""
    if plan.hugepages is None or any(isinstance(step, WriteAttribute) for step in steps):
        return ()
    asked = machine.boot.running.cmdline or ""
    there = plan.hugepages if carries(asked, plan.hugepages.arguments) else plan.hugepages._replace(at_boot=())
    return shortfall(there, machine)


def _record_first(before: HostRecord, after: HostRecord) -> Iterator[Step]:
    if after not in (before, HostRecord()):
        yield WriteFile(HOST_RECORD_FILE, render_host_record(after), RECORD, "note which devices and CPUs are meant")


def _record_last(before: HostRecord, after: HostRecord) -> Iterator[Step]:
    if before != after == HostRecord():
        yield RemoveFile(HOST_RECORD_FILE, RECORD, "no device or CPU is ours any more")


def _values(plan: HostPlan, parts: Sequence[Outcome]) -> dict[str, Any]:
    values: dict[str, Any] = {"loader": None, "entries": [], "generator": None, "images": []}
    for part in parts:
        values.update(part.values)
    values["notes"] = list(plan.notes)
    values["devices"] = to_json(plan.bindings)
    values["cpus"] = to_json(plan.cpus)
    return values


def _refused(tree: Tree, refusals: tuple[Refusal, ...]) -> Outcome:
    values: dict[str, Any] = {"notes": [], "devices": None, "cpus": None}
    return Outcome(tree, refusals, (), States(False, False, None), values, (), (), live={"requests": []})
