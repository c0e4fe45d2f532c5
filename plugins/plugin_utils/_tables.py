# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module host returned for many machines, as tables for people. Pure, and on the controller only."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.vfio.workstation.plugins.plugin_utils import _verdict
from ansible_collections.vfio.workstation.plugins.plugin_utils._verdict import Result

Results = t.Mapping[str, Result]

#: Columns of a line. Ansible indents what it prints, and puts it in quotes: with that, a line has less than 100.
WIDTH = 88
_MARKS = {True: "yes", False: "no"}
_CODE = 16
#: The columns of the closing table, each with its width; what does not fit goes on in the next line.
_COLUMNS = (("asked for", 34), ("configured", 10), ("staged", 6), ("active", 6), ("now", 22))
_PRESENT = {
    _verdict.ACTIVE: "everything that is asked for is active",
    _verdict.NOTHING: "nothing is asked of it",
    _verdict.DUE: "not yet what is asked for: a run would change it",
    _verdict.STAGED: "in place; a reboot makes it active",
    _verdict.INCOMPLETE: "in place, but not all of it is active, and a reboot alone would not help",
    _verdict.UNKNOWN: "in place; whether it is active can't be told",
}
_ABSENT = {
    _verdict.ACTIVE: "as it was before: nothing is left",
    _verdict.NOTHING: "as it was before: nothing is left",
    _verdict.DUE: "something is left: a run would take it away",
    _verdict.STAGED: "files are as before; a reboot brings the rest",
    _verdict.INCOMPLETE: "files are as before, but not all that runs, and a reboot alone would not help",
    _verdict.UNKNOWN: "files are as before; whether all that runs is can't be told",
}
_BROKEN = {
    _verdict.UNREACHABLE: "unreachable, nothing was done",
    _verdict.REFUSED: "refused, nothing was changed",
    _verdict.FAILED: "failed",
}


def request_table(results: Results, predicted: bool = False, state: str = "present") -> list[str]:
    """Return a table of what was asked for and how far it has come, machine by machine, and a line that counts them.

    Args:
        results: What the module host returned, by name of the machine.
        predicted: Whether the module was in check mode, so that its steps were not done.
        state: What was asked for: `present`, or `absent` for a rollback.
    """
    sentences = {**(_ABSENT if state == "absent" else _PRESENT), **_BROKEN}
    lines = []
    for name, result in results.items():
        word = _verdict.verdict(result, predicted)
        lines += _wrapped(f"{name}: {sentences[word]}{_steps(word, result)}")
        lines += _reason(word, result)
        rows = _verdict.requests_of(result)
        if rows:
            lines.append(_line([title for title, _width in _COLUMNS]))
        for request in rows:
            lines += _row(request)
        for note in _texts(result.get("notes")):
            lines += _wrapped(f"note: {note}", "  ", "        ")
    return [*lines, _counts(results, predicted)]


def refusal_table(results: Results) -> list[str]:
    """Return all that stands in the way on any machine; what is the same on several stands there once.

    Args:
        results: What the module host returned, by name of the machine. Those with nothing in the way are left out.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for name, result in results.items():
        lines = _in_the_way(result)
        if lines:
            names.setdefault(tuple(lines), []).append(name)
    table = []
    for lines_of, hosts in names.items():
        table += _wrapped(", ".join(hosts) + ":", "", "  ")
        table += lines_of
    return table


def failure_text(result: Result, predicted: bool = False) -> str:
    """Return in one line why a machine failed; empty for one that did not.

    Args:
        result: What the module host returned, or what Ansible did in its place.
        predicted: Whether the module was in check mode, so that its steps were not done.
    """
    word = _verdict.verdict(result, predicted)
    if word == _verdict.REFUSED:
        codes = dict.fromkeys(str(refusal.get("code")) for refusal in result["refusals"])
        return f"refused, and nothing was changed: {', '.join(codes)}"
    if word in (_verdict.UNREACHABLE, _verdict.FAILED):
        return f"{word}: {' '.join(_message(result).split())}"
    if word == _verdict.INCOMPLETE:
        # A rollback asks for nothing, and can have no request that lacks.
        requests = [request for request in _verdict.requests_of(result) if request.get("active") is False]
        lacks = [f"{_name(request)} ({request.get('now')})" for request in requests]
        return f"in place, but not active, and a reboot alone would not help: {', '.join(lacks) or 'see its table'}"
    return ""


def _steps(word: str, result: Result) -> str:
    count = len(result["steps"]) if word == _verdict.DUE else 0
    return f" ({count} step{'' if count == 1 else 's'})" if count else ""


def _reason(word: str, result: Result) -> list[str]:
    if word == _verdict.REFUSED:
        codes = dict.fromkeys(str(refusal.get("code")) for refusal in result["refusals"])
        return _wrapped(", ".join(codes), "  ", "  ")
    return _wrapped(_message(result), "  ", "  ") if word in (_verdict.UNREACHABLE, _verdict.FAILED) else []


def _name(request: Result) -> str:
    words = [str(request[key]) for key in ("section", "name") if request.get(key)]
    return words[-1] if len({word.lower() for word in words}) == 1 else " ".join(words)


def _row(request: Result) -> list[str]:
    what = _name(request)
    wanted = request.get("wanted")
    cells = [
        what + (f": {wanted}" if wanted else ""),
        *(_mark(request.get(key)) for key in ("configured", "staged", "active")),
        str(request.get("now") or ""),
    ]
    columns = [_fitted(cell, width) for cell, (_title, width) in zip(cells, _COLUMNS)]
    height = max(len(column) for column in columns)
    return [_line([column[row] if row < len(column) else "" for column in columns]) for row in range(height)]


def _mark(state: t.Any) -> str:
    return _MARKS.get(state, "-") if isinstance(state, bool) else "-"


def _line(cells: t.Sequence[str]) -> str:
    """Return a line of the table. The columns and what is between them are as wide as a line may be."""
    padded = [cell.ljust(width) for cell, (_title, width) in zip(cells, _COLUMNS)]
    return ("  " + "  ".join(padded)).rstrip()


def _in_the_way(result: Result) -> list[str]:
    word = _verdict.verdict(result)
    if word == _verdict.REFUSED:
        refusals = [one for one in result["refusals"] if isinstance(one, t.Mapping)]
        return [line for refusal in refusals for line in _refusal(refusal)]
    if word in (_verdict.UNREACHABLE, _verdict.FAILED):
        return _wrapped(f"[{word}] {_message(result)}", "  ", "    ")
    return []


def _refusal(refusal: Result) -> list[str]:
    return [
        *_wrapped(f"[{refusal.get('code')}] {refusal.get('seen')}", "  ", "    "),
        *_wrapped(f"Why this matters: {refusal.get('danger')}", "    ", "      "),
        *_wrapped(f"What to do: {refusal.get('remedy')}", "    ", "      "),
    ]


def _message(result: Result) -> str:
    return str(result.get("msg") or "").strip() or "Ansible gave no reason; run it again with -v"


def _counts(results: Results, predicted: bool) -> str:
    words = [_verdict.verdict(result, predicted) for result in results.values()]
    counts = [f"{words.count(word)} {word}" for word in _verdict.VERDICTS if word in words]
    return f"{len(words)} machine{'' if len(words) == 1 else 's'}: {', '.join(counts) or 'none'}"


def _texts(values: t.Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple)) else []


def _fitted(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _wrapped(text: str, first: str = "", more: str = "  ") -> list[str]:
    """Return a text in lines that fit; its own line breaks are kept."""
    lines: list[str] = []
    for part in text.splitlines():
        start = more if lines else first
        lines += textwrap.wrap(
            part, WIDTH, initial_indent=start, subsequent_indent=more, break_on_hyphens=False, replace_whitespace=False
        )
    return lines
