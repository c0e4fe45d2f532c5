# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Own some kernel arguments, whatever boots the machine."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Any, Iterator, Mapping, NamedTuple, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._apply import run as run_tool
from .._apply.draft_checks import CHECKS, TOOL_CHECKS
from .._apply.transaction import Check
from .._machine import Boot, cmdline
from .._machine.boot_config import FALLBACK, NORMAL, RECORD_FILE, Change, CmdlineRecord, EntryLine
from .._machine.plan import CONFIGURED, DRAFT, RECORD, STAGED, Refusal, RemoveFile, States, Step, WriteFile
from .._plan.boot import cmdline_record as records
from .._plan.boot.argument_rules import argument_notes
from .._plan.boot.check_arguments import argument_clashes, argument_problem
from .._plan.boot.cmdline_change import CmdlineDecision, CmdlineRequest, decide, is_active, retired_units
from .._plan.boot.loaders.choose import choose_loader
from .._plan.boot.loaders.protocol import BootLoader, LoaderContext
from .._plan.refusals import CODES, refuse
from .._probe.boot.boot_chain import read_boot
from .._probe.boot.systemd_boot import esp_mount_points
from .._probe.tree import Tree
from .converge import Outcome, converge
from .info import check_planned_root
from .owner import check_owner

#: What the running kernel was started with and nobody wants any more; a reboot empties it, as it should.
RETIRED_FILE = "/run/vfio-workstation/retired-arguments.json"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "owner": {"type": "str", "required": True},
    "args": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "conflicts": {"type": "str", "choices": ["refuse", "replace"], "default": "refuse"},
    "kernels": {"type": "str", "choices": ["all"], "default": "all"},
    "accept": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def run_kernel_cmdline() -> NoReturn:
    """Bring one owner's arguments onto every kernel's command line, or take them off."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    errors = check_parameters(module.params, module.check_mode)
    if errors:
        module.fail_json(msg="\n".join(errors))
    request = CmdlineRequest(
        owner=module.params["owner"],
        units=cmdline.units(module.params["args"]) if module.params["state"] == "present" else (),
        replace=module.params["conflicts"] == "replace",
        accepted=frozenset(module.params["accept"]),
    )
    root = module.params["root"]
    converge(module, lambda: observe(Tree(root), request), draft_checks(root))


def check_parameters(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Return everything that is wrong with the parameters, each with what was found, what was expected, what to do."""
    errors = check_planned_root(params["root"], check_mode)
    errors.extend(check_owner(params["owner"]))
    errors.extend(
        f"accept: {code!r} is no code of a refusal. There are: {', '.join(sorted(CODES))}."
        for code in params["accept"]
        if code not in CODES
    )
    if params["state"] == "present" and not params["args"]:
        errors.append("args: the list is empty. Name at least one argument, or set state=absent to take all out.")
    errors.extend(_argument_errors(params["args"]))
    return errors


def _argument_errors(args: Sequence[str]) -> Iterator[str]:
    for number, text in enumerate(args):
        problem = argument_problem(text)
        if problem is not None:
            yield f"args[{number}]: {text!r} {problem.seen}. {problem.remedy}"
    yield from (f"args: {clash}" for clash in argument_clashes(args))


def draft_checks(root: str) -> dict[str, Check]:
    """Return what looks at generated files: the distribution's own checker where there is one, then our reader."""

    def look(name: str, draft: str) -> Sequence[str]:
        tree = Tree(root)
        for argv in TOOL_CHECKS.get(name, ()):
            if tree.exists(argv[0]):
                run_tool([argument.replace(DRAFT, draft) for argument in argv])
                break
        return CHECKS[name](tree, draft)

    return {name: functools.partial(look, name) for name in CHECKS}


class CmdlineObservation(NamedTuple):
    """What was seen."""

    outcome: Outcome
    owners: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # who has which units by the record
    entries: tuple[str, ...] = ()  # command lines of installed kernels, those of fallback entries left out


def observe(tree: Tree, request: CmdlineRequest) -> Outcome:
    """CmdlineObservation at the machine with the request in mind."""
    return look(tree, request, read_boot(tree)).outcome


def look(tree: Tree, request: CmdlineRequest, boot: Boot) -> CmdlineObservation:
    """CmdlineObservation at the machine with the request in mind, and at the lines as they are.

    Args:
        tree: Its files.
        request: What is wanted of its kernels' command lines.
        boot: What it boots.
    """
    values: dict[str, Any] = {"loader": boot.loader, "entries": []}
    try:
        record = records.parse(_text(tree, RECORD_FILE))
    except records.DamagedRecord as error:
        damaged = refuse("record_damaged", f"{RECORD_FILE} can't be read: {error}.")
        return CmdlineObservation(Outcome(tree, (damaged,), (), States(False, False, None), values, (), ()))
    context = LoaderContext(esp_mount_points(tree), tuple(kernel.version for kernel in boot.kernels), boot.secure_boot)
    loader = choose_loader(tree, boot.loader, context)
    if isinstance(loader, Refusal):
        if not request.all_units and not record.owners:  # nothing of ours anywhere: nothing to take out
            return CmdlineObservation(Outcome(tree, (), (), States(True, True, True), values, (), ()))
        return CmdlineObservation(Outcome(tree, (loader,), (), States(False, False, None), values, (), ()))
    decision = decide(request, record, loader.sources, loader.entries)
    refusals = _refusals(loader, decision, request, record)
    loader_steps = () if refusals else tuple(loader.steps(decision.change))
    retired = records.parse_retired(tree.text(RETIRED_FILE))
    gone = retired_units(retired, decision, boot.running.cmdline)
    steps = (
        *_record_step(record, decision.interim, "note what is to be ours before any line has it"),
        *_retired_steps(retired, gone),
        *loader_steps,
        *_record_step(decision.interim, decision.record, "note what is ours now"),
    )
    values = {"loader": loader.name, "entries": _entries(loader, decision.change)}
    outcome = Outcome(
        tree,
        refusals,
        () if refusals else steps,
        _states(request, loader_steps, gone, boot, bool(refusals)),
        values,
        tuple(_entry_diffs(decision.change)),
        (*loader.warnings(), *argument_notes(request.all_units)),
    )
    return CmdlineObservation(
        outcome,
        record.owners,
        tuple(entry.text for entry in loader.entries if entry.role == NORMAL),
    )


def _refusals(
    loader: BootLoader, decision: CmdlineDecision, request: CmdlineRequest, record: CmdlineRecord
) -> tuple[Refusal, ...]:
    if not request.all_units and not record.owners and not record.provided:
        return ()  # nothing of ours is anywhere, and nothing is wanted: whatever is odd here is not our business
    own = tuple(
        one
        for one in (*loader.refusals(), *loader.argument_problems(request.all_units))
        if one.code not in request.accepted
    )
    return (*own, *decision.refusals)


def _states(request: CmdlineRequest, steps: Sequence[Step], gone: Sequence[str], boot: Boot, refused: bool) -> States:
    pending = {step.effect for step in steps}
    configured = not refused and CONFIGURED not in pending
    return States(
        configured=configured,
        staged=configured and STAGED not in pending,
        active=is_active(request.all_units, gone, boot.running.cmdline),
    )


def _record_step(before: CmdlineRecord, after: CmdlineRecord, reason: str) -> tuple[Step, ...]:
    if after == before:
        return ()
    if after == records.EMPTY:
        return (RemoveFile(RECORD_FILE, RECORD, "nothing is ours any more"),)
    return (WriteFile(RECORD_FILE, records.render(after), RECORD, reason),)


def _retired_steps(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[Step, ...]:
    if before == after:
        return ()
    reason = "note what the running kernel has that a reboot takes away"
    if not after:
        return (RemoveFile(RETIRED_FILE, RECORD, reason),)
    return (WriteFile(RETIRED_FILE, records.render_retired(after), RECORD, reason),)


def _text(tree: Tree, path: str) -> str | None:
    """Return a file's text; an unreadable one is text that is no record, not a missing one."""
    return (tree.text(path) or "") if tree.exists(path) else None


def _entries(loader: BootLoader, change: Change) -> list[dict[str, Any]]:
    """Return the entries with what they have and will have: None where there is no entry yet, or none any more."""
    after = {(line.path, line.name): line.after for line in change.entries}
    normal = [entry for entry in loader.entries if entry.role == NORMAL]
    fallback = [entry for entry in loader.entries if entry.role == FALLBACK]
    shown = [_entry(entry, entry.text, after.get((entry.path, entry.id), entry.text)) for entry in normal]
    # Of several entries of one kernel, the last is the one that is named after it.
    bare = {
        entry.version: cmdline.without(after.get((entry.path, entry.id), entry.text), change.new)
        for entry in normal
        if change.fallback and loader.has_fallback
    }
    shown.extend(_entry(entry, entry.text, _as_it_was(entry.text, bare.get(entry.version))) for entry in fallback)
    there = {entry.version for entry in fallback}
    for entry in {entry.version: entry for entry in normal if entry.version in bare.keys() - there}.values():
        new = entry._replace(id="", title=f"{entry.title} without VFIO", role=FALLBACK)
        shown.append({**_entry(new, None, bare[entry.version]), "id": None})
    return shown


def _as_it_was(before: str, after: str | None) -> str | None:
    """Return a fallback entry's command line after the run: the tools that write it have an order of their own."""
    if after is None or sorted(map(str, cmdline.meanings(before))) != sorted(map(str, cmdline.meanings(after))):
        return after
    return before


def _entry(entry: EntryLine, before: str | None, after: str | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "kernel": entry.version,
        "path": entry.path,
        "role": entry.role,
        "before": before,
        "after": after,
    }


def _entry_diffs(change: Change) -> Iterator[dict[str, str]]:
    """Yield each entry's command line with an argument on each line, so that a diff shows word by word."""
    for line in change.entries:
        yield {
            "before_header": f"{line.path} (entry {line.name})",
            "after_header": f"{line.path} (entry {line.name})",
            "before": "".join(text + "\n" for text in cmdline.parse(line.before).texts),
            "after": "".join(text + "\n" for text in cmdline.parse(line.after).texts),
        }
