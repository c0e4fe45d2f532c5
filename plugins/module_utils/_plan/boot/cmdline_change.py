# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of command lines that a request needs, given the lines as they are and the record of earlier changes.

An argument unit (`_machine.cmdline`) is *managed* if an owner requested it through this collection, else *foreign*.
"""

from __future__ import annotations

import itertools
import re
from typing import Iterable, Iterator, NamedTuple, Sequence, TypeVar

from ..._machine import cmdline
from ..._machine.boot_config import (
    NORMAL,
    Change,
    CmdlineRecord,
    CreatedFile,
    EntryLine,
    LineChange,
    ReplacedArgument,
    SharedUnit,
    Source,
)
from ..._machine.plan import Refusal
from ..refusals import refuse
from .argument_rules import contradiction, takes_functions

_Item = TypeVar("_Item")
# Boot loader specification, "Boot counting": the tries that are left, and those that failed.
_TRIES = re.compile(r"\+[0-9]+(?:-[0-9]+)?(?=\.(?:conf|efi)$)")

#: COMMAND_LINE_SIZE of x86 and arm64 without the terminating zero, less what GRUB puts first: BOOT_IMAGE= and a path.
MOST_CHARACTERS = 2047 - 128

#: No version of a kernel.
KEEP_TRIAL = ""


class CmdlineRequest(NamedTuple):
    """The units that an owner requests on the command line of every kernel."""

    owner: str
    units: tuple[str, ...]  # when empty, the owner's earlier units are removed
    replace: bool = False  # whether foreign arguments that contradict these are set aside
    accepted: frozenset[str] = frozenset()  # codes of refusals to override
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()  # further owners in the same request, each with its units
    replaced: tuple[str, ...] = ()  # with `replace`, foreign arguments that are set aside too
    replaced_by: str = ""  # the unit that keeps them set aside
    trial: str | None = KEEP_TRIAL  # as Change.trial; KEEP_TRIAL: as an earlier run left it

    @property
    def units_by_owner(self) -> dict[str, tuple[str, ...]]:
        """The requested units of each owner."""
        return {self.owner: self.units, **dict(self.others)}

    @property
    def all_units(self) -> tuple[str, ...]:
        """The requested units of all owners, without duplicates."""
        return tuple(dict.fromkeys(unit for units in self.units_by_owner.values() for unit in units))


class CmdlineDecision(NamedTuple):
    """The change to make, or why it is refused."""

    refusals: tuple[Refusal, ...]
    change: Change
    interim: CmdlineRecord  # written before the change: covers what lines may have at any moment of it
    record: CmdlineRecord  # written after the change


class _StoredLine(NamedTuple):
    """The command line in one source or boot entry."""

    path: str
    line: int | None
    name: str
    text: str
    foreign: str  # the text without managed units
    old: tuple[str, ...]  # managed units that it may have now
    is_target: bool  # whether managed units go into this line
    is_entry: bool


class _Conflict(NamedTuple):
    line: _StoredLine
    argument: str
    unit: str
    reason: str


def decide(
    request: CmdlineRequest, record: CmdlineRecord, sources: Sequence[Source], entries: Sequence[EntryLine]
) -> CmdlineDecision:
    """Return the change that applies a request, or why it is refused.

    Args:
        request: The request.
        record: What earlier runs did.
        sources: The lines of configuration files, as they are.
        entries: The boot entries, as they are.
    """
    lines = (*_source_lines(sources, record), *_entry_lines(entries, record))
    owners = {owner: units for owner, units in {**record.owners, **request.units_by_owner}.items() if units}
    requested = tuple(dict.fromkeys(unit for units in owners.values() for unit in units))
    conflicts = (*_conflicts(requested, lines), *_replaced(request, requested, lines))
    refusals = [*_unbalanced(lines), *_owner_conflicts(request, owners)]
    if conflicts and not request.replace:
        refusals.extend(_conflict_refusals(conflicts))
    replaced, foreign = _set_aside(conflicts if request.replace else (), lines, record, requested)
    provided = tuple(unit for unit in requested if unit in record.provided or not _is_foreign_everywhere(unit, lines))
    # A drop-in file of our own adds its units to every line, whatever else the line has.
    has_drop_in = any(source.managed for source in sources)
    shared = tuple(_shared(lines, foreign, provided)) if has_drop_in else ()
    changes = [
        (line, _emptied(line, _line_change(line, foreign[line], provided, shared), record, provided)) for line in lines
    ]
    change = Change(
        old=record.provided,
        new=provided,
        fallback=bool(provided),
        sources=tuple(changed for line, changed in changes if changed.before != changed.after and not line.is_entry),
        entries=tuple(changed for line, changed in changes if changed.before != changed.after and line.is_entry),
    )
    refusals.extend(_too_long(change.entries))
    created = _created(sources, record, provided)
    after = CmdlineRecord(owners, provided, shared, replaced, created)
    interim = CmdlineRecord(
        owners,
        _joined(record.provided, provided),
        _joined(record.shared, shared),
        _joined(record.replaced, replaced),
        _joined(record.created, created),
    )
    left = tuple(refusal for refusal in refusals if refusal.code not in request.accepted)
    return CmdlineDecision(left, change, interim, after)


def is_active(units: Sequence[str], retired: Sequence[str], running: str | None) -> bool | None:
    """Tell whether the running kernel was started with all of `units` and none of `retired`.

    Args:
        units: The requested units.
        retired: Units that were removed since the boot.
        running: The running kernel's command line; None if it is unknown, and so is the answer.
    """
    if running is None:
        return None
    return cmdline.carries(running, units) and not any(cmdline.has(running, unit) for unit in retired)


def retired_units(before: Sequence[str], decision: CmdlineDecision, running: str | None) -> tuple[str, ...]:
    """Return the managed units that the running kernel still has and no owner requests any more."""
    candidates = dict.fromkeys((*before, *decision.change.old))
    requested = {unit for units in decision.record.owners.values() for unit in units}
    return tuple(unit for unit in candidates if unit not in requested and cmdline.has(running or "", unit))


def _source_lines(sources: Sequence[Source], record: CmdlineRecord) -> Iterator[_StoredLine]:
    for source in sources:
        old = _managed_units(record, source.path, source.name) if source.managed else ()
        foreign = cmdline.without(source.text, old)
        yield _StoredLine(
            source.path, source.line, source.name, source.text, foreign, old, source.managed, is_entry=False
        )


def _entry_lines(entries: Sequence[EntryLine], record: CmdlineRecord) -> Iterator[_StoredLine]:
    for entry in entries:
        if entry.role == NORMAL:
            old = _managed_units(record, entry.path, entry.id)
            foreign = cmdline.without(entry.text, old)
            yield _StoredLine(entry.path, entry.line, entry.id, entry.text, foreign, old, is_target=True, is_entry=True)


def _managed_units(record: CmdlineRecord, path: str, name: str) -> tuple[str, ...]:
    return tuple(unit for unit in record.provided if SharedUnit(_stable_path(path), name, unit) not in record.shared)


def _stable_path(path: str) -> str:
    """Return a path without the boot counter, which a successful boot removes from an entry's file name."""
    return _TRIES.sub("", path)


def _shared(
    lines: Sequence[_StoredLine], foreign: dict[_StoredLine, str], provided: Sequence[str]
) -> Iterator[SharedUnit]:
    for line in lines:
        for unit in provided if line.is_target else ():
            if cmdline.has(foreign[line], unit):
                yield SharedUnit(_stable_path(line.path), line.name, unit)


def _is_foreign_everywhere(unit: str, lines: Sequence[_StoredLine]) -> bool:
    """Tell whether every kernel, and every future one, has the unit as a foreign one, so that we need not add it."""
    in_sources = any(cmdline.has(line.foreign, unit) for line in lines if not line.is_entry)
    return in_sources and all(cmdline.has(line.foreign, unit) for line in lines if line.is_entry)


def _conflicts(requested: Sequence[str], lines: Sequence[_StoredLine]) -> Iterator[_Conflict]:
    for line in lines:
        for argument in cmdline.units(cmdline.parse(line.foreign).texts):
            for unit in requested:
                reason = contradiction(unit, argument)
                if reason is not None:
                    yield _Conflict(line, argument, unit, reason)
                    break


def _replaced(request: CmdlineRequest, requested: Sequence[str], lines: Sequence[_StoredLine]) -> Iterator[_Conflict]:
    """Yield the arguments that the request replaces though they contradict no unit of it."""
    for line in lines if request.replace and request.replaced_by in requested else ():
        for argument in cmdline.units(cmdline.parse(line.foreign).texts):
            if argument in request.replaced and not _contradicts_any(argument, requested):
                yield _Conflict(line, argument, request.replaced_by, "the request replaces it")


def _conflict_refusals(conflicts: Sequence[_Conflict]) -> Iterator[Refusal]:
    """Yield a refusal for each conflict, except in an entry whose argument comes from a source that is refused too."""
    in_sources = {conflict.argument for conflict in conflicts if not conflict.line.is_entry}
    for conflict in conflicts:
        if conflict.line.is_entry and conflict.argument in in_sources:
            continue
        yield refuse(
            "cmdline_conflict",
            f"{_location(conflict.line)} has {conflict.argument}, which conflicts with the requested {conflict.unit}: "
            f"{conflict.reason}.",
        )


def _location(line: _StoredLine) -> str:
    number = f", line {line.line}" if line.line is not None else ""
    name = f", {'entry ' if line.is_entry else ''}{line.name}" if line.name else ""
    return f"{line.path}{number}{name}"


def _owner_conflicts(request: CmdlineRequest, owners: dict[str, tuple[str, ...]]) -> Iterator[Refusal]:
    for requester, requested in request.units_by_owner.items():
        for owner, units in sorted(owners.items()):
            # Of two owners in the same request, only one reports the conflict.
            if owner == requester or (owner in request.units_by_owner and owner < requester):
                continue
            for unit, other in itertools.product(requested, units):
                reason = contradiction(unit, other)
                if reason is not None:
                    yield refuse(
                        "cmdline_conflict",
                        f"The owner {owner} requests {other}, and the owner {requester} requests {unit}: {reason}.",
                        remedy="Decide which of them to keep, and remove the other from the request of its owner.",
                    )


def _unbalanced(lines: Iterable[_StoredLine]) -> Iterator[Refusal]:
    for line in lines:
        if line.is_target and not cmdline.is_balanced(line.text):
            yield refuse("cmdline_unreadable", f"{_location(line)} has a double quote that is not closed: {line.text}")


def _too_long(entries: Sequence[LineChange]) -> Iterator[Refusal]:
    for entry in entries:
        if len(entry.after) > MOST_CHARACTERS and len(entry.after) > len(entry.before):
            yield refuse(
                "cmdline_too_long",
                f"The command line of {entry.name} ({entry.path}) would have {len(entry.after)} characters; up to "
                f"{MOST_CHARACTERS} are sure to reach the kernel.",
            )


def _set_aside(
    conflicts: Sequence[_Conflict], lines: Sequence[_StoredLine], record: CmdlineRecord, requested: Sequence[str]
) -> tuple[tuple[ReplacedArgument, ...], dict[_StoredLine, str]]:
    """Return the arguments that are set aside after the change, and the foreign arguments of each line after it."""
    restorable = [item for item in record.replaced if not _stays_aside(item, requested)]
    foreign = {line: _restored(line, restorable, lines) for line in lines}
    replaced = [item for item in record.replaced if item not in restorable]
    for conflict in conflicts:
        line = conflict.line
        after = cmdline.without(foreign[line], (conflict.argument,))
        replaced.append(
            ReplacedArgument(_stable_path(line.path), line.name, conflict.argument, conflict.unit, foreign[line], after)
        )
        foreign[line] = after
    return tuple(dict.fromkeys(replaced)), foreign


def _stays_aside(item: ReplacedArgument, requested: Sequence[str]) -> bool:
    replaces = takes_functions(item.argument) and item.unit in requested
    return replaces or _contradicts_any(item.argument, requested)


def _contradicts_any(argument: str, requested: Sequence[str]) -> bool:
    return any(contradiction(unit, argument) is not None for unit in requested)


def _restored(line: _StoredLine, restorable: Sequence[ReplacedArgument], lines: Sequence[_StoredLine]) -> str:
    """Return a line's foreign arguments with those that were set aside: in their old position if the rest is the same.

    Args:
        line: The line.
        restorable: Arguments of any line that contradict no requested unit any more.
        lines: All lines.
    """
    foreign = line.foreign
    line_name = (_stable_path(line.path), line.name)
    own = [item for item in restorable if (item.path, item.name) == line_name]
    for item in reversed(own):
        if foreign == item.after:
            foreign = item.before
        elif not cmdline.has(foreign, item.argument):
            foreign = cmdline.appended(foreign, (item.argument,))
    if line.is_entry and not own:
        # The entry of a kernel that was installed since then was made from the sources, as the other entries were.
        source_names = {(other.path, other.name) for other in lines if not other.is_entry}
        in_sources = {item.argument for item in restorable if (item.path, item.name) in source_names}
        in_entries = dict.fromkeys(item.argument for item in restorable if (item.path, item.name) not in source_names)
        for argument in in_entries:
            if argument in in_sources and not cmdline.has(foreign, argument):
                foreign = cmdline.appended(foreign, (argument,))
    return foreign


def _line_change(line: _StoredLine, foreign: str, provided: Sequence[str], shared: Sequence[SharedUnit]) -> LineChange:
    after = foreign
    if line.is_target:
        new = tuple(unit for unit in provided if SharedUnit(_stable_path(line.path), line.name, unit) not in shared)
        is_right = foreign == line.foreign and cmdline.is_up_to_date(line.text, line.old, new)
        after = line.text if is_right else cmdline.appended(foreign, new)
    return LineChange(line.path, line.line, line.name, line.text, after)


def _created(sources: Sequence[Source], record: CmdlineRecord, provided: Sequence[str]) -> tuple[CreatedFile, ...]:
    """Return the files that exist after the change because this collection created them."""
    if not provided:
        return ()
    missing = (CreatedFile(source.path, source.text) for source in sources if source.managed and not source.exists)
    return _joined(record.created, tuple(missing))


def _emptied(line: _StoredLine, change: LineChange, record: CmdlineRecord, provided: Sequence[str]) -> LineChange:
    """Return a line's change, to empty text if its file was created by this collection and has nothing else left."""
    is_created = any(item.path == line.path and item.text.split() == change.after.split() for item in record.created)
    return change._replace(after="") if is_created and not provided and not line.is_entry else change


def _joined(before: Sequence[_Item], after: Sequence[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys((*before, *after)))
