# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pass over the command lines of all kernels, with any supported boot loader."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from .._apply import run as run_tool
from .._apply.draft_checks import CHECKS, TOOL_CHECKS
from .._apply.transaction import Check
from .._machine import Boot, cmdline
from .._machine.boot_config import FALLBACK, NORMAL, RECORD_FILE, Change, CmdlineRecord, EntryLine
from .._machine.claims import Claim
from .._machine.plan import CONFIGURED, DRAFT, RECORD, STAGED, Refusal, RemoveFile, States, Step, WriteFile
from .._plan.boot import cmdline_record as records
from .._plan.boot.argument_rules import argument_notes, takes_functions
from .._plan.boot.cmdline_change import (
    KEEP_TRIAL,
    CmdlineDecision,
    CmdlineRequest,
    decide,
    is_active,
    retired_units,
)
from .._plan.boot.loaders.choose import choose_loader
from .._plan.boot.loaders.protocol import BootLoader, LoaderContext, TrialBoots
from .._plan.boot.removable import removable_arguments
from .._plan.record_text import DamagedRecord
from .._plan.refusals import refuse
from .._probe.boot.boot_chain import read_boot
from .._probe.boot.systemd_boot import esp_mount_points
from .._probe.tree import Tree
from .outcome import Outcome

#: Arguments of the running kernel that no owner requests any more. In /run, so that a reboot clears it.
RETIRED_FILE = "/run/vfio-workstation/retired-arguments.json"


def draft_checks(root: str) -> dict[str, Check]:
    """Return the checks of generated files: the distribution's own checker, where installed, then our parser."""

    def check(name: str, draft: str) -> Sequence[str]:
        tree = Tree(root)
        for argv in TOOL_CHECKS.get(name, ()):
            if tree.exists(argv[0]):
                run_tool([argument.replace(DRAFT, draft) for argument in argv])
                break
        return CHECKS[name](tree, draft)

    return {name: functools.partial(check, name) for name in CHECKS}


class CmdlineObservation(NamedTuple):
    """The outcome, and the command lines as they are."""

    outcome: Outcome
    owners: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # owner -> its argument units, from the record
    entries: tuple[str, ...] = ()  # command lines of installed kernels, without those of fallback entries
    trial: TrialBoots | None = None  # None if the boot loader is unsupported
    owners_after: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # owners, after the steps
    is_tried: bool = False  # whether changes are tried, after the steps
    is_changed: bool = False  # whether a line has to be changed


def read_removable_arguments(tree: Tree, boot: Boot, claims: Sequence[Claim]) -> frozenset[str]:
    """Return the foreign arguments that take functions, and that can be removed wherever they are.

    Args:
        tree: The machine's files.
        boot: The machine's boot configuration.
        claims: The claims of others.
    """
    taking = [claim for claim in claims if claim.kind == "cmdline" and takes_functions(claim.text)]
    loader = choose_loader(tree, boot.loader, _loader_context(tree, boot)) if taking else None
    return frozenset() if loader is None or isinstance(loader, Refusal) else removable_arguments(loader, taking)


def _loader_context(tree: Tree, boot: Boot) -> LoaderContext:
    return LoaderContext(esp_mount_points(tree), tuple(kernel.version for kernel in boot.kernels), boot.secure_boot)


def observe(tree: Tree, request: CmdlineRequest) -> Outcome:
    """Plan a request for the machine as it is."""
    return inspect(tree, request, read_boot(tree)).outcome


def inspect(tree: Tree, request: CmdlineRequest, boot: Boot) -> CmdlineObservation:
    """Plan a request for the machine as it is, and return its command lines besides.

    Args:
        tree: The machine's files.
        request: The request for kernel arguments.
        boot: The machine's boot configuration.
    """
    values: dict[str, Any] = {"loader": boot.loader, "entries": []}
    try:
        record = records.parse(_text(tree, RECORD_FILE))
    except DamagedRecord as error:
        damaged = refuse("record_damaged", f"{RECORD_FILE} can't be read: {error}.")
        return CmdlineObservation(Outcome(tree, (damaged,), (), States(False, False, None), values, (), ()))
    loader = read_loader(tree, boot)
    if isinstance(loader, Refusal):
        if not request.all_units and not record.owners:  # there is nothing to remove
            return CmdlineObservation(Outcome(tree, (), (), States(True, True, True), values, (), ()))
        return CmdlineObservation(Outcome(tree, (loader,), (), States(False, False, None), values, (), ()))
    decision = decide(request, record, loader.sources, loader.entries)
    decision = decision._replace(change=decision.change._replace(trial=_trial(request, loader, decision.change)))
    refusals = _refusals(loader, decision, request, record)
    loader_steps = () if refusals else tuple(loader.steps(decision.change))
    retired = records.parse_retired(tree.text(RETIRED_FILE))
    gone = retired_units(retired, decision, boot.running.cmdline)
    steps = (
        *_record_step(record, decision.interim, "record the arguments before any line has them"),
        *_retired_steps(retired, gone),
        *loader_steps,
        *_record_step(decision.interim, decision.record, "record the arguments"),
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
        loader.trial,
        decision.record.owners,
        decision.change.trial is not None,
        bool(decision.change.entries or decision.change.sources),
    )


def read_loader(tree: Tree, boot: Boot) -> BootLoader | Refusal:
    """Return the host's boot loader, or why it is not supported."""
    return choose_loader(tree, boot.loader, _loader_context(tree, boot))


def managed_units(tree: Tree, request: CmdlineRequest | None = None) -> dict[str, tuple[str, ...]]:
    """Return the units of each owner, after a request if there is one; of the request alone if the record is damaged.

    Args:
        tree: The machine's files.
        request: The request.
    """
    try:
        owners = records.parse(_text(tree, RECORD_FILE)).owners
    except DamagedRecord:
        owners = {}
    requested = request.units_by_owner if request is not None else {}
    return {owner: units for owner, units in {**owners, **requested}.items() if units}


def _trial(request: CmdlineRequest, loader: BootLoader, change: Change) -> str | None:
    """Return the kernel of Change.trial; None where nothing is managed, and where the user accepts to have none."""
    if not change.new or (request.trial != KEEP_TRIAL and loader.trial.refusals()):
        return None
    return loader.trial.kernel if request.trial == KEEP_TRIAL else request.trial


def _refusals(
    loader: BootLoader, decision: CmdlineDecision, request: CmdlineRequest, record: CmdlineRecord
) -> tuple[Refusal, ...]:
    if not request.all_units and not record.owners and not record.provided:
        return ()  # nothing is managed and nothing is requested, so the oddities of this boot loader do not matter
    of_loader = tuple(
        refusal
        for refusal in (
            *loader.refusals(),
            *loader.argument_refusals(request.all_units),
            *_trial_refusals(loader, request),
        )
        if refusal.code not in request.accepted
    )
    return (*of_loader, *decision.refusals)


def _trial_refusals(loader: BootLoader, request: CmdlineRequest) -> Sequence[Refusal]:
    return loader.trial.refusals() if request.trial not in (KEEP_TRIAL, None) else ()


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
        return (RemoveFile(RECORD_FILE, RECORD, "no argument is managed any more"),)
    return (WriteFile(RECORD_FILE, records.render(after), RECORD, reason),)


def _retired_steps(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[Step, ...]:
    if before == after:
        return ()
    reason = "record which arguments of the running kernel a reboot removes"
    if not after:
        return (RemoveFile(RETIRED_FILE, RECORD, reason),)
    return (WriteFile(RETIRED_FILE, records.render_retired(after), RECORD, reason),)


def _text(tree: Tree, path: str) -> str | None:
    """Return a file's text, None without a file. An unreadable file is an invalid record, not a missing one."""
    return (tree.text(path) or "") if tree.exists(path) else None


def _entries(loader: BootLoader, change: Change) -> list[dict[str, Any]]:
    """Return the entries with their command lines before and after; None where an entry is added or removed."""
    after = {(line.path, line.name): line.after for line in change.entries}
    normal = [entry for entry in loader.entries if entry.role == NORMAL]
    fallback = [entry for entry in loader.entries if entry.role == FALLBACK]
    shown = [_entry(entry, entry.text, after.get((entry.path, entry.id), entry.text)) for entry in normal]
    # Where a kernel has several entries, its fallback entry is made from the last.
    bare = {
        entry.version: cmdline.without(after.get((entry.path, entry.id), entry.text), change.new)
        for entry in normal
        if change.fallback and loader.has_fallback
    }
    shown.extend(_entry(entry, entry.text, _as_it_was(entry.text, bare.get(entry.version))) for entry in fallback)
    present = {entry.version for entry in fallback}
    for entry in {entry.version: entry for entry in normal if entry.version in bare.keys() - present}.values():
        new = entry._replace(id="", title=f"{entry.title} without VFIO", role=FALLBACK)
        shown.append({**_entry(new, None, bare[entry.version]), "id": None})
    return shown


def _as_it_was(before: str, after: str | None) -> str | None:
    """Return a fallback entry's command line after the run, in its present order where it has the same arguments."""
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
    """Yield each entry's command line before and after, one argument per line, for a diff of arguments."""
    for line in change.entries:
        yield {
            "before_header": f"{line.path} (entry {line.name})",
            "after_header": f"{line.path} (entry {line.name})",
            "before": "".join(text + "\n" for text in cmdline.parse(line.before).texts),
            "after": "".join(text + "\n" for text in cmdline.parse(line.after).texts),
        }
