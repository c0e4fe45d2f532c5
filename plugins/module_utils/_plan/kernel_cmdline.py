# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what command lines hold, what we recorded and what an owner wishes, to the change that is due, or to refusals."""

from __future__ import annotations

from typing import Iterable, Iterator, NamedTuple, Sequence

from .._machine.boot_config import NORMAL, Change, EntryLine, LineChange, Record, Replaced, Source
from .._machine.plan import Refusal
from . import cmdline
from .arguments import contradiction
from .refusals import refuse

#: COMMAND_LINE_SIZE of x86 and arm64 with its closing zero, less what GRUB puts before: BOOT_IMAGE= and a path.
MOST_CHARACTERS = 2047 - 128


class Wish(NamedTuple):
    """What one owner wants on the command line of every kernel."""

    owner: str
    units: tuple[str, ...]  # none: what it wanted before is to go
    replace: bool = False  # whether arguments that contradict these stand back
    accepted: frozenset[str] = frozenset()  # codes of refusals that the person takes upon them


class Decision(NamedTuple):
    """What is due."""

    refusals: tuple[Refusal, ...]
    change: Change
    interim: Record  # to be written first: it covers what may stand in lines at any moment of the change
    record: Record  # to be written last


class _Place(NamedTuple):
    path: str
    line: int | None
    name: str
    text: str
    foreign: str  # without our units
    ours: bool  # whether our units are to stand in it
    is_entry: bool


class _Conflict(NamedTuple):
    place: _Place
    argument: str
    unit: str
    reason: str


def decide(wish: Wish, record: Record, sources: Sequence[Source], entries: Sequence[EntryLine]) -> Decision:
    """Return the change that brings a wish about, given what stands where."""
    places = (*_source_places(sources, record), *_entry_places(entries, record))
    owners = {owner: units for owner, units in record.owners.items() if owner != wish.owner}
    if wish.units:
        owners[wish.owner] = wish.units
    wanted = tuple(dict.fromkeys(unit for owner in sorted(owners) for unit in owners[owner]))
    conflicts = tuple(_conflicts(wanted, places))
    refusals = [*_unreadable(places), *_between_owners(wish, owners)]
    if conflicts and not wish.replace:
        refusals.extend(_refused(conflicts))
    replaced, foreign = _stand_back(conflicts if wish.replace else (), places, record, wanted)
    provided = tuple(unit for unit in wanted if unit in record.provided or not _given(unit, places))
    change = Change(
        old=record.provided,
        new=provided,
        fallback=bool(provided),
        sources=tuple(_line_changes(places, foreign, record.provided, provided, entries=False)),
        entries=tuple(_line_changes(places, foreign, record.provided, provided, entries=True)),
    )
    refusals.extend(_too_long(change.entries))
    after = Record(owners, provided, replaced)
    interim = Record(
        owners,
        tuple(dict.fromkeys((*record.provided, *provided))),
        tuple(dict.fromkeys((*record.replaced, *replaced))),
    )
    return Decision(tuple(one for one in refusals if one.code not in wish.accepted), change, interim, after)


def is_active(units: Sequence[str], retired: Sequence[str], running: str | None) -> bool | None:
    """Tell whether the running kernel was started with these units and without those; None where that is not known."""
    if running is None:
        return None
    return cmdline.carries(running, units) and not any(cmdline.has(running, unit) for unit in retired)


def retired_units(before: Sequence[str], decision: Decision, running: str | None) -> tuple[str, ...]:
    """Return the units of ours that the running kernel still has and that are not wanted any more."""
    gone = dict.fromkeys((*before, *decision.change.old))
    wanted = {unit for units in decision.record.owners.values() for unit in units}
    return tuple(unit for unit in gone if unit not in wanted and cmdline.has(running or "", unit))


def _source_places(sources: Sequence[Source], record: Record) -> Iterator[_Place]:
    for source in sources:
        foreign = cmdline.without(source.text, record.provided) if source.ours else source.text
        yield _Place(source.path, source.line, source.name, source.text, foreign, source.ours, is_entry=False)


def _entry_places(entries: Sequence[EntryLine], record: Record) -> Iterator[_Place]:
    for entry in entries:
        if entry.role == NORMAL:
            foreign = cmdline.without(entry.text, record.provided)
            yield _Place(entry.path, entry.line, entry.id, entry.text, foreign, ours=True, is_entry=True)


def _given(unit: str, places: Sequence[_Place]) -> bool:
    """Tell whether somebody else gives every kernel that unit, and future ones too, so that we need not."""
    for_future = any(cmdline.has(place.foreign, unit) for place in places if not place.is_entry)
    return for_future and all(cmdline.has(place.foreign, unit) for place in places if place.is_entry)


def _conflicts(wanted: Sequence[str], places: Sequence[_Place]) -> Iterator[_Conflict]:
    for place in places:
        for theirs in cmdline.units(cmdline.parse(place.foreign).texts):
            for unit in wanted:
                reason = contradiction(unit, theirs)
                if reason is not None:
                    yield _Conflict(place, theirs, unit, reason)
                    break


def _refused(conflicts: Sequence[_Conflict]) -> Iterator[Refusal]:
    """Yield a refusal for each, but for entries only where no line of configuration explains them."""
    explained = {conflict.argument for conflict in conflicts if not conflict.place.is_entry}
    for conflict in conflicts:
        place = conflict.place
        if place.is_entry and conflict.argument in explained:
            continue
        where = _where(place)
        yield refuse(
            "cmdline_conflict", f"{where} has {conflict.argument}, and {conflict.unit} is wanted: {conflict.reason}."
        )


def _where(place: _Place) -> str:
    line = f", line {place.line}" if place.line is not None else ""
    name = f", {'entry ' if place.is_entry else ''}{place.name}" if place.name else ""
    return f"{place.path}{line}{name}"


def _between_owners(wish: Wish, owners: dict[str, tuple[str, ...]]) -> Iterator[Refusal]:
    for owner, units in sorted(owners.items()):
        for theirs in units if owner != wish.owner else ():
            for unit in wish.units:
                reason = contradiction(unit, theirs)
                if reason is not None:
                    yield refuse(
                        "cmdline_conflict",
                        f"The owner {owner} wants {theirs}, and {wish.owner} wants {unit}: {reason}.",
                        remedy=f"Decide for one of them, and change what {owner} or {wish.owner} asks for.",
                    )


def _unreadable(places: Iterable[_Place]) -> Iterator[Refusal]:
    for place in places:
        if place.ours and not cmdline.is_balanced(place.text):
            yield refuse("cmdline_unreadable", f"{_where(place)} has a double quote that is not closed: {place.text}")


def _too_long(entries: Sequence[LineChange]) -> Iterator[Refusal]:
    for entry in entries:
        if len(entry.after) > MOST_CHARACTERS and len(entry.after) > len(entry.before):
            yield refuse(
                "cmdline_too_long",
                f"The command line of {entry.name} ({entry.path}) would have {len(entry.after)} characters; kernels "
                f"take {MOST_CHARACTERS} for certain.",
            )


def _stand_back(
    conflicts: Sequence[_Conflict], places: Sequence[_Place], record: Record, wanted: Sequence[str]
) -> tuple[tuple[Replaced, ...], dict[_Place, str]]:
    """Return what stands back from now on, and what others' arguments become in each place that changes for it."""
    foreign = {place: place.foreign for place in places}
    replaced = []
    for item in record.replaced:
        if item.unit in wanted:
            replaced.append(item)
            continue
        for place in places:
            # A kernel that came since has an entry made without it.
            if (place.path, place.name) == (item.path, item.name) or (place.is_entry and _is_source(item, places)):
                foreign[place] = _put_back(foreign[place], item)
    for conflict in conflicts:
        place = conflict.place
        after = cmdline.without(foreign[place], (conflict.argument,))
        replaced.append(Replaced(place.path, place.name, conflict.argument, conflict.unit, foreign[place], after))
        foreign[place] = after
    return tuple(dict.fromkeys(replaced)), foreign


def _is_source(item: Replaced, places: Sequence[_Place]) -> bool:
    return any((place.path, place.name) == (item.path, item.name) and not place.is_entry for place in places)


def _put_back(foreign: str, item: Replaced) -> str:
    if foreign == item.after:
        return item.before
    return foreign if cmdline.has(foreign, item.argument) else cmdline.appended(foreign, (item.argument,))


def _line_changes(
    places: Sequence[_Place], foreign: dict[_Place, str], old: Sequence[str], new: Sequence[str], entries: bool
) -> Iterator[LineChange]:
    for place in places:
        if place.is_entry != entries:
            continue
        if foreign[place] != place.foreign:
            after = cmdline.appended(foreign[place], new) if place.ours else foreign[place]
        else:
            after = cmdline.changed(place.text, old, new) if place.ours else place.text
        if after != place.text:
            yield LineChange(place.path, place.line, place.name, place.text, after)
