# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the fleet. Pure."""

from __future__ import annotations

import collections
import json
import re
import typing as t

from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    UNUSABLE,
    Record,
    parse_record,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.render import render, shortened
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.states import FLEET_STATES, state_text
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.summary import Problem, Request
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import report
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import Unreadable, read_result

#: Rows of lists and hosts of a row that are printed: the table has all hosts, and the page stays small.
_MOST_ROWS = 50
_MOST_HOSTS = 40
#: Refusals with this end need a visit to the same place.
_BY_FIRMWARE = "_by_firmware"
_VISIT = "somebody has to visit the firmware setup"


_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\dZ)?")


class Group(t.NamedTuple):
    """Hosts that have something in common."""

    title: str
    details: tuple[str, ...]
    hosts: tuple[str, ...]
    codes: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The hosts that are named."""
        return self.hosts[:_MOST_HOSTS]

    @property
    def hidden(self) -> int:
        """How many hosts are not named."""
        return max(0, len(self.hosts) - _MOST_HOSTS)


class Asked(t.NamedTuple):
    """A request of several hosts, and how many show each of its states."""

    title: str
    hosts: int
    configured: int
    staged: int
    active: int


def read_records(files: t.Iterable[tuple[str, str]]) -> tuple[list[Record], dict[str, str]]:
    """Return the hosts, and the verdicts of comparisons by host, that files contain.

    Files that are none of this collection, or that have the name of another host, are ignored.

    Args:
        files: Names and contents.
    """
    records, parity = [], {}
    for name, text in files:
        try:
            document = json.loads(text)
            if name.endswith(".parity.json") and "summary" not in document:
                parity[name.removesuffix(".parity.json")] = report(read_result(document, name)).word
                continue
            record = parse_record(document)
        except (*UNUSABLE, Unreadable):
            continue
        if f"{file_stem(record.name)}.json" == name:
            records.append(record)
    return records, parity


def fleet_page(records: t.Sequence[Record], parity: t.Mapping[str, str]) -> str:
    """Return the page of the fleet.

    Args:
        records: The hosts, in their order on the page.
        parity: The verdicts of comparisons of a guest with its host, by file_stem() of the host.
    """
    words = collections.Counter(record.summary.word for record in records)
    rows = [_row(record, parity.get(file_stem(record.name), "")) for record in records]
    return render(
        "fleet.html.j2",
        title="Workstations",
        rows=rows,
        counts=[(word, state_text(word), words[word]) for word in FLEET_STATES if words[word]],
        time=max((record.time for record in records), default=""),
        problems=_limited(_problem_groups(records)),
        changes=_limited(_groups((text, record.name) for record in records for text in record.new_changes)),
        boot_changes=_limited(_groups(_boot_changes(records))),
        requests=_limited(_requests(records)),
        kernels=_limited(_groups((record.summary.kernel or "unknown", record.name) for record in records)),
        gpus=_limited(_gpus(records)),
        has_parity=any(row["parity"] for row in rows),
        stem=file_stem,
    )


def without_times(page: str) -> str:
    """Return a page without the times of inspections, for comparison with another one."""
    return _TIME.sub("", page)


def _row(record: Record, parity: str) -> dict[str, t.Any]:
    summary = record.summary
    codes = [code for problem in summary.problems for code in problem.codes if code != summary.word]
    return {
        "name": record.name,
        "word": summary.word if summary.word in FLEET_STATES else "unknown",
        "state": state_text(summary.word),
        "why": ", ".join(dict.fromkeys(codes)),
        "active": sum(request.active is True for request in summary.requests),
        "requests": len(summary.requests),
        "system": summary.system,
        "kernel": summary.kernel,
        "free": sum(gpu.free for gpu in summary.gpus),
        "gpus": len(summary.gpus),
        "changes": len(record.new_changes) + len(record.boot_check.changes if record.boot_check else ()),
        "parity": parity,
        "time": record.time[:16].replace("T", " "),
    }


def _problem_groups(records: t.Iterable[Record]) -> list[Group]:
    """Return the hosts that are not as requested, by what has to be done."""
    hosts: dict[str, dict[str, None]] = {}
    problems: dict[str, list[Problem]] = {}
    for record in records:
        for problem in record.summary.problems:
            key = _remedy(problem)
            hosts.setdefault(key, {})[record.name] = None
            problems.setdefault(key, []).append(problem)
    return [
        Group(
            key,
            tuple(dict.fromkeys(text for problem in problems[key] for text in _details(problem, key)))[:4],
            tuple(names),
            tuple(dict.fromkeys(code for problem in problems[key] for code in problem.codes))[:6],
        )
        for key, names in _largest_first(hosts)
    ]


def _remedy(problem: Problem) -> str:
    if any(code.endswith(_BY_FIRMWARE) for code in problem.codes):
        return _VISIT
    return problem.remedy or shortened(problem.seen, 300)


def _details(problem: Problem, title: str) -> t.Iterator[str]:
    if title == _VISIT:
        yield problem.remedy
    if problem.danger:
        yield f"Why this matters: {problem.danger}"


def _boot_changes(records: t.Iterable[Record]) -> t.Iterator[tuple[str, str]]:
    for record in records:
        check = record.boot_check
        if check is not None:
            yield from ((change.text, record.name) for change in check.changes)
            if not check.active:
                yield f"not everything requested was active at the last boot: {check.reason}", record.name


def _gpus(records: t.Iterable[Record]) -> list[Group]:
    return _groups((gpu.model, record.name) for record in records for gpu in record.summary.gpus if gpu.free)


def _requests(records: t.Iterable[Record]) -> list[Asked]:
    requests: dict[str, list[Request]] = {}
    for record in records:
        for request in record.summary.requests:
            requests.setdefault(request.title, []).append(request)
    return [
        Asked(title, len(items), *(sum(getattr(item, state) is True for item in items) for state in Asked._fields[2:]))
        for title, items in requests.items()
    ]


def _groups(pairs: t.Iterable[tuple[str, str]]) -> list[Group]:
    """Return groups of hosts with the same text, largest first."""
    hosts: dict[str, dict[str, None]] = {}
    for text, name in pairs:
        hosts.setdefault(shortened(text, 300), {})[name] = None
    return [Group(text, (), tuple(names)) for text, names in _largest_first(hosts)]


def _largest_first(hosts: t.Mapping[str, t.Mapping[str, None]]) -> list[tuple[str, t.Mapping[str, None]]]:
    return sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0]))


_Item = t.TypeVar("_Item")


def _limited(items: t.Sequence[_Item]) -> tuple[list[_Item], int]:
    """Return the first items, and how many more there are."""
    return list(items[:_MOST_ROWS]), max(0, len(items) - _MOST_ROWS)
