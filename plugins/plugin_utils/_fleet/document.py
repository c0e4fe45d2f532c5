# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON file of a host in a directory of reports: what is written there, and what is read back. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import BootCheck
from ansible_collections.vfio.workstation.plugins.module_utils._plan.drift import boot_facts, drift
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.summary import (
    NOTHING,
    REPORTED,
    Json,
    Summary,
    machine_summary,
    result_summary,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._values import from_json

#: What from_json() and the readers of this package raise for a document of another shape.
UNUSABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
#: Keys of what the module host returned that pages show.
_RESULT_KEYS = ("states", "reboot_required", "notes", "devices", "cpus", "trial", "unreadable")
_TIMES = ("read_at", "checked_at")


class Changes(t.NamedTuple):
    """What changed on a host from one run to another."""

    since: str  # time of the run before
    found_at: str  # time of the run that found it
    texts: tuple[str, ...]


class Inspection(t.NamedTuple):
    """What a run knows about a host."""

    name: str  # in the inventory
    time: str  # "2026-11-29T07:30:00Z"
    reading: Json | None = None  # what host_info returned
    result: Json | None = None  # what the module host returned, or what Ansible returned in its place
    predicted: bool = False  # whether the module host ran in check mode
    state: str = "present"
    boot_check: BootCheck | None = None  # what the host itself found at its last boot


class Record(t.NamedTuple):
    """The parts of a document that have a fixed shape."""

    name: str
    read_at: str | None
    checked_at: str | None
    summary: Summary
    changes: Changes | None
    boot_check: BootCheck | None

    @property
    def time(self) -> str:
        """The time of the last run that inspected the host."""
        return max(self.read_at or "", self.checked_at or "")

    @property
    def new_changes(self) -> tuple[str, ...]:
        """What the last run found to be changed."""
        return self.changes.texts if self.changes and self.changes.found_at == self.time else ()


def parse_document(text: str, name: str | None = None) -> Json | None:
    """Return the document that a file contains; None if it is none of a host, or that of another host.

    Args:
        text: The content of the file.
        name: Name of the host, if it is known.
    """
    try:
        document = json.loads(text)
        record = parse_record(document)
    except UNUSABLE:
        return None
    return document if name in (None, record.name) else None


def parse_record(document: Json) -> Record:
    """Return the fixed parts of a document.

    Raises:
        UNUSABLE: It is of another shape.
    """
    return from_json(Record, document)


def machine_of(document: Json) -> Machine | None:
    """Return the machine in a document; None if there is none, or another version of this collection has read it."""
    try:
        return from_json(Machine, document["host"])
    except UNUSABLE:
        return None


def updated(before: Json | None, inspection: Inspection) -> Json:
    """Return the document of a host after a run. What the run did not inspect stays as it is.

    Args:
        before: The document before; None if there is none.
        inspection: What the run knows about the host.
    """
    earlier = before or {"name": inspection.name}
    document: Json = {
        key: earlier.get(key)
        for key in ("name", *_TIMES, "summary", "changes", "boot_check", "host", "unreadable", "result")
    }
    document["summary"] = earlier.get("summary") or to_json(NOTHING)
    if inspection.reading is not None:
        document.update(host=inspection.reading.get("host"), unreadable=inspection.reading.get("unreadable"))
        document.update(read_at=inspection.time)
    if inspection.result is not None:
        document.update(checked_at=inspection.time, result=_kept(inspection.result, document["result"]))
    if inspection.boot_check is not None:
        document.update(boot_check=to_json(inspection.boot_check))
    document["summary"] = to_json(_summary(document, inspection))
    texts = tuple(_changes(earlier, document)) if before else ()
    if texts:
        since = max(str(earlier.get(key) or "") for key in _TIMES)
        document["changes"] = to_json(Changes(since, inspection.time, texts))
    return document


def rendered(document: Json) -> str:
    """Return the text of a document."""
    return json.dumps(document, indent=1, sort_keys=False) + "\n"


def is_same(before: Json | None, after: Json) -> bool:
    """Return whether two documents differ in nothing but times."""
    return before is not None and {**before, **dict.fromkeys(_TIMES)} == {**after, **dict.fromkeys(_TIMES)}


def _kept(result: Json, before: t.Any) -> Json:
    """Return what pages show of a result; that of an unreachable host is the one before."""
    if "states" not in result and isinstance(before, dict):
        return before
    return {key: result[key] for key in _RESULT_KEYS if key in result}


def _summary(document: Json, inspection: Inspection) -> Summary:
    """Return the summary of a document: the parts that the run inspected, and the earlier ones."""
    summary = from_json(Summary, document["summary"])
    hardware = _hardware(document) if inspection.reading is not None else None
    if hardware is not None:
        summary = summary._replace(system=hardware.system, kernel=hardware.kernel, gpus=hardware.gpus)
    if inspection.result is not None:
        checked = _checked(inspection.result, inspection)
        # An unreachable host was not inspected: its requests are those of the last time.
        requests = checked.requests if "states" in inspection.result else summary.requests
        summary = checked._replace(system=summary.system, kernel=summary.kernel, gpus=summary.gpus, requests=requests)
    return summary


def _hardware(document: Json) -> Summary | None:
    """Return the summary of the machine; None if its values contradict each other, as only a damaged host's do."""
    try:
        return machine_summary(from_json(Machine, document["host"]))
    except UNUSABLE:
        return None


def _checked(result: Json, inspection: Inspection) -> Summary:
    """Return the summary of a result; that of a failure if its values are not what the module returns."""
    try:
        return result_summary(result, inspection.predicted, inspection.state)
    except UNUSABLE:
        return result_summary({"failed": True, "msg": "The host returned no usable result"}, False, inspection.state)


def _changes(before: Json, after: Json) -> t.Iterator[str]:
    machines = [machine_of(document) for document in (before, after)]
    if before.get("host") != after["host"] and None not in machines:
        earlier, now = (boot_facts(machine) for machine in machines if machine is not None)
        yield from (change.text for change in drift(earlier, now))
    was, now_is = (from_json(Summary, document["summary"]) for document in (before, after))
    if was.word not in (REPORTED, now_is.word):
        yield f"state: {was.word.replace('_', ' ')} before, {now_is.word.replace('_', ' ')} now"
    active = {request.title for request in was.requests if request.active}
    for request in now_is.requests:
        if request.title in active and request.active is False:
            yield f"{request.title}: active before, not active now"
