# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what command lines hold, what is recorded and what an owner requests to the change that is due."""

from __future__ import annotations

import itertools
import re
from typing import Iterable, Iterator, NamedTuple, Sequence, TypeVar

from ..._machine import cmdline
from ..._machine.boot_config import (
    NORMAL,
    Change,
    CmdlineRecord,
    Created,
    EntryLine,
    LineChange,
    Replaced,
    Shared,
    Source,
)
from ..._machine.plan import Refusal
from ..refusals import refuse
from .argument_rules import contradiction

_Item = TypeVar("_Item")
# Boot loader specification, "Boot counting": how often to try, and how often it was tried.
_TRIES = re.compile(r"\+[0-9]+(?:-[0-9]+)?(?=\.(?:conf|efi)$)")

#: COMMAND_LINE_SIZE of x86 and arm64 with its closing zero, less what GRUB puts before: BOOT_IMAGE= and a path.
MOST_CHARACTERS = 2047 - 128


class CmdlineRequest(NamedTuple):
    """What an owner wants on the command line of every kernel."""

    owner: str
    units: tuple[str, ...]  # none: what it wanted before is to go
    replace: bool = False  # whether arguments that contradict these stand back
    accepted: frozenset[str] = frozenset()  # codes of refusals that the person takes upon them
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()  # owners who ask at the same time, each with its units

    @property
    def asked(self) -> dict[str, tuple[str, ...]]:
        """The units of each owner that is spoken of."""
        return {self.owner: self.units, **dict(self.others)}

    @property
    def all_units(self) -> tuple[str, ...]:
        """The units of all of them, each once."""
        return tuple(dict.fromkeys(unit for units in self.asked.values() for unit in units))


class CmdlineDecision(NamedTuple):
    """What is due."""

    refusals: tuple[Refusal, ...]
    change: Change
    interim: CmdlineRecord  # to be written first: it covers what may stand in lines at any moment of the change
    record: CmdlineRecord  # to be written last


class _Place(NamedTuple):
    path: str
    line: int | None
    name: str
    text: str
    foreign: str  # without our units
    old: tuple[str, ...]  # our units that may stand in it
    ours: bool  # whether our units are to stand in it
    is_entry: bool


class _Conflict(NamedTuple):
    place: _Place
    argument: str
    unit: str
    reason: str


def decide(
    request: CmdlineRequest, record: CmdlineRecord, sources: Sequence[Source], entries: Sequence[EntryLine]
) -> CmdlineDecision:
    """Return the change that brings a request about, given what stands where."""
    places = (*_source_places(sources, record), *_entry_places(entries, record))
    owners = {owner: units for owner, units in {**record.owners, **request.asked}.items() if units}
    wanted = tuple(dict.fromkeys(unit for units in owners.values() for unit in units))
    conflicts = tuple(_conflicts(wanted, places))
    refusals = [*_unreadable(places), *_between_owners(request, owners)]
    if conflicts and not request.replace:
        refusals.extend(_refused(conflicts))
    replaced, foreign = _stand_back(conflicts if request.replace else (), places, record, wanted)
    provided = tuple(unit for unit in wanted if unit in record.provided or not _given(unit, places))
    # Where a file of our own holds them, they come into every line, whatever else is there.
    shared = tuple(_shared(places, foreign, provided)) if any(source.ours for source in sources) else ()
    lines = [(place, _changed(place, foreign[place], provided, shared)) for place in places]
    created = _created(sources, record, provided)
    lines = [(place, _gone(place, line, record, provided)) for place, line in lines]
    change = Change(
        old=record.provided,
        new=provided,
        fallback=bool(provided),
        sources=tuple(line for place, line in lines if line.before != line.after and not place.is_entry),
        entries=tuple(line for place, line in lines if line.before != line.after and place.is_entry),
    )
    refusals.extend(_too_long(change.entries))
    after = CmdlineRecord(owners, provided, shared, replaced, created)
    interim = CmdlineRecord(
        owners,
        _joined(record.provided, provided),
        _joined(record.shared, shared),
        _joined(record.replaced, replaced),
        _joined(record.created, created),
    )
    return CmdlineDecision(tuple(one for one in refusals if one.code not in request.accepted), change, interim, after)


def is_active(units: Sequence[str], retired: Sequence[str], running: str | None) -> bool | None:
    """Tell whether the running kernel was started with these units and without those; None where that is not known."""
    if running is None:
        return None
    return cmdline.carries(running, units) and not any(cmdline.has(running, unit) for unit in retired)


def retired_units(before: Sequence[str], decision: CmdlineDecision, running: str | None) -> tuple[str, ...]:
    """Return the units of ours that the running kernel still has and that are not wanted any more."""
    gone = dict.fromkeys((*before, *decision.change.old))
    wanted = {unit for units in decision.record.owners.values() for unit in units}
    return tuple(unit for unit in gone if unit not in wanted and cmdline.has(running or "", unit))


def _source_places(sources: Sequence[Source], record: CmdlineRecord) -> Iterator[_Place]:
    for source in sources:
        old = _ours(record, source.path, source.name) if source.ours else ()
        foreign = cmdline.without(source.text, old)
        yield _Place(source.path, source.line, source.name, source.text, foreign, old, source.ours, is_entry=False)


def _entry_places(entries: Sequence[EntryLine], record: CmdlineRecord) -> Iterator[_Place]:
    for entry in entries:
        if entry.role == NORMAL:
            old = _ours(record, entry.path, entry.id)
            foreign = cmdline.without(entry.text, old)
            yield _Place(entry.path, entry.line, entry.id, entry.text, foreign, old, ours=True, is_entry=True)


def _ours(record: CmdlineRecord, path: str, name: str) -> tuple[str, ...]:
    return tuple(unit for unit in record.provided if Shared(_lasting(path), name, unit) not in record.shared)


def _lasting(path: str) -> str:
    """Return a file's path without the count of tries, which a boot that went well takes out of an entry's name."""
    return _TRIES.sub("", path)


def _shared(places: Sequence[_Place], foreign: dict[_Place, str], provided: Sequence[str]) -> Iterator[Shared]:
    for place in places:
        for unit in provided if place.ours else ():
            if cmdline.has(foreign[place], unit):
                yield Shared(_lasting(place.path), place.name, unit)


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


def _between_owners(request: CmdlineRequest, owners: dict[str, tuple[str, ...]]) -> Iterator[Refusal]:
    for asking, wanted in request.asked.items():
        for owner, units in sorted(owners.items()):
            # Of two that ask at the same time, one says it.
            if owner == asking or (owner in request.asked and owner < asking):
                continue
            for unit, theirs in itertools.product(wanted, units):
                reason = contradiction(unit, theirs)
                if reason is not None:
                    yield refuse(
                        "cmdline_conflict",
                        f"The owner {owner} wants {theirs}, and {asking} wants {unit}: {reason}.",
                        remedy=f"Decide for one of them, and change what {owner} or {asking} asks for.",
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
    conflicts: Sequence[_Conflict], places: Sequence[_Place], record: CmdlineRecord, wanted: Sequence[str]
) -> tuple[tuple[Replaced, ...], dict[_Place, str]]:
    """Return what stands back from now on, and what others' arguments become in each place that changes for it."""
    over = [item for item in record.replaced if not _stands_in_the_way(item.argument, wanted)]
    foreign = {place: _put_back(place, over, places) for place in places}
    replaced = [item for item in record.replaced if item not in over]
    for conflict in conflicts:
        place = conflict.place
        after = cmdline.without(foreign[place], (conflict.argument,))
        replaced.append(
            Replaced(_lasting(place.path), place.name, conflict.argument, conflict.unit, foreign[place], after)
        )
        foreign[place] = after
    return tuple(dict.fromkeys(replaced)), foreign


def _stands_in_the_way(argument: str, wanted: Sequence[str]) -> bool:
    return any(contradiction(unit, argument) is not None for unit in wanted)


def _put_back(place: _Place, over: Sequence[Replaced], places: Sequence[_Place]) -> str:
    """Return others' arguments of a place with what stood back there, where it stood if the rest is as it was."""
    foreign = place.foreign
    place_name = (_lasting(place.path), place.name)
    own = [item for item in over if (item.path, item.name) == place_name]
    for item in reversed(own):
        if foreign == item.after:
            foreign = item.before
        elif not cmdline.has(foreign, item.argument):
            foreign = cmdline.appended(foreign, (item.argument,))
    if place.is_entry and not own:
        # The entry of a kernel that came since was made from the sources, as those of the others had been.
        of_sources = {(other.path, other.name) for other in places if not other.is_entry}
        in_source = {item.argument for item in over if (item.path, item.name) in of_sources}
        in_entry = dict.fromkeys(item.argument for item in over if (item.path, item.name) not in of_sources)
        for argument in in_entry:
            if argument in in_source and not cmdline.has(foreign, argument):
                foreign = cmdline.appended(foreign, (argument,))
    return foreign


def _changed(place: _Place, foreign: str, provided: Sequence[str], shared: Sequence[Shared]) -> LineChange:
    after = foreign
    if place.ours:
        new = tuple(unit for unit in provided if Shared(_lasting(place.path), place.name, unit) not in shared)
        is_right = foreign == place.foreign and cmdline.settled(place.text, place.old, new)
        after = place.text if is_right else cmdline.appended(foreign, new)
    return LineChange(place.path, place.line, place.name, place.text, after)


def _created(sources: Sequence[Source], record: CmdlineRecord, provided: Sequence[str]) -> tuple[Created, ...]:
    """Return the files that are there because of us, once the change is made."""
    if not provided:
        return ()
    missing = (Created(source.path, source.text) for source in sources if source.ours and not source.is_there)
    return _joined(record.created, tuple(missing))


def _gone(place: _Place, line: LineChange, record: CmdlineRecord, provided: Sequence[str]) -> LineChange:
    """Return a line as it is to be: empty where we made its file, nobody changed it, and nothing of ours is left."""
    made_by_us = any(item.path == place.path and item.text.split() == line.after.split() for item in record.created)
    return line._replace(after="") if made_by_us and not provided and not place.is_entry else line


def _joined(before: Sequence[_Item], after: Sequence[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys((*before, *after)))
