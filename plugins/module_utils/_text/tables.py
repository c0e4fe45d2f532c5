# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of what the module host returned for several hosts. Pure."""

from __future__ import annotations

import textwrap
import typing as t

from .._machine.plan import Refusal
from .._plan.refusal_text import causes, paragraphs
from . import verdict as _verdict
from .verdict import Result

Results = t.Mapping[str, Result]

#: Of the reason in the one line of a failure.
_REASON_WIDTH = 240
_MOST_PATHS = 6
_MARKS = {True: "yes", False: "no"}
_TITLES = ("requested", "configured", "staged", "active", "now")
#: Columns between two cells, and what the columns with marks and the indent take of a line.
_GAP = 2
_MARK_WIDTHS = (10, 6, 6)
_FIXED = 2 + sum(_MARK_WIDTHS) + 4 * _GAP
_PRESENT = {
    _verdict.ACTIVE: "everything requested is active",
    _verdict.UNMANAGED: "no configuration requested",
    _verdict.PENDING: "changes pending",
    _verdict.STAGED: "configured and staged; reboot to activate",
    _verdict.DEGRADED: "the host is without devices that it should have",
    _verdict.INCOMPLETE: "configured and staged, but not everything is active, and a reboot alone will not help",
    _verdict.GUEST_DEGRADED: "everything is as requested, but a running guest lacks something that it should have",
    _verdict.GUEST_OUTDATED: "everything is as requested; a guest runs with an earlier definition until its restart",
    _verdict.UNKNOWN: "configured and staged; whether everything is active is unknown",
    _verdict.PARTIAL: "inspected without root; whether something would change is unknown",
}
_ABSENT = {
    _verdict.ACTIVE: "rolled back; nothing is left",
    _verdict.UNMANAGED: "rolled back; nothing is left",
    _verdict.PENDING: "rollback pending",
    _verdict.STAGED: "files rolled back; reboot to complete the rollback",
    _verdict.DEGRADED: "files rolled back, but the host is without devices that it should have",
    _verdict.INCOMPLETE: "files rolled back, but not the running system, and a reboot alone will not help",
    _verdict.GUEST_DEGRADED: "rolled back, but a running guest lacks something that it should have",
    _verdict.GUEST_OUTDATED: "rolled back; a guest runs with an earlier definition until its restart",
    _verdict.UNKNOWN: "files rolled back; whether the running system is rolled back is unknown",
    _verdict.PARTIAL: "inspected without root; whether something is left to roll back is unknown",
}
_BROKEN = {
    _verdict.UNREACHABLE: "unreachable",
    _verdict.REFUSED: "refused; nothing was changed",
    _verdict.FAILED: "failed",
    _verdict.GUEST_FAILED: "a guest was refused, or failed",
}


def request_table(results: Results, predicted: bool = False, state: str = "present", width: int = 80) -> list[str]:
    """Return a table of the state of each request, host by host, and a last line that counts the hosts by verdict.

    Args:
        results: What the module host returned, by host name.
        predicted: Whether the module ran in check mode, so that its steps were not executed.
        state: The requested state: `present`, or `absent` for a rollback.
        width: How many columns a line may have.
    """
    lines = [line for name, result in results.items() for line in host_table(name, result, predicted, state, width)]
    return [*lines, _counts(results, predicted)]


def host_table(
    name: str, result: Result, predicted: bool = False, state: str = "present", width: int = 80
) -> list[str]:
    """Return the lines of one host in the table of requests; as `request_table`."""
    columns = _columns(width)
    word = _verdict.verdict(result, predicted)
    lines = _wrapped(f"{name}: {sentence(word, state)}{_steps(word, result)}", width)
    lines += _reason(word, result, width)
    guests = _verdict.guests_of(result)
    rows = [*_verdict.requests_of(result), *guests]
    if rows:
        lines.append(_line(_TITLES, columns))
    for request in rows:
        lines += _row(request, columns)
    findings = [finding for part in (result, *guests) for finding in _verdict.findings_of(part)]
    lines += _refusals(findings, width)
    notes = _texts(result.get("notes"))
    notes += [f"guest {guest.get('name')}: {note}" for guest in guests for note in _texts(guest.get("notes"))]
    for note in notes:
        lines += _wrapped(f"note: {note}", width, "  ", "        ")
    return lines + _incomplete(result, width)


def sentence(word: str, state: str = "present") -> str:
    """Return what a verdict means for a requested state: `present`, or `absent` for a rollback."""
    return {**(_ABSENT if state == "absent" else _PRESENT), **_BROKEN}[word]


def refusal_table(results: Results, width: int = 80) -> list[str]:
    """Return all refusals and failures. Hosts with identical ones share an entry.

    Args:
        results: What the module host returned, by host name. Hosts without refusals or failures are left out.
        width: How many columns a line may have.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for name, result in results.items():
        lines = _problems(result, width)
        if lines:
            names.setdefault(tuple(lines), []).append(name)
    table = []
    for lines_of, hosts in names.items():
        table += _wrapped(", ".join(hosts) + ":", width, "", "  ")
        table += lines_of
    return table


def failure_text(result: Result, predicted: bool = False) -> str:
    """Return the reason why a host failed, in one line; an empty string if it did not fail.

    Args:
        result: What the module host returned, or what Ansible returned in its place.
        predicted: Whether the module ran in check mode, so that its steps were not executed.
    """
    word = _verdict.verdict(result, predicted)
    if word == _verdict.REFUSED:
        return f"refused; nothing was changed. {_first_refusal(result)}"
    if word in (_verdict.UNREACHABLE, _verdict.FAILED):
        return f"{word}: {' '.join(_message(result).split())}"
    if word == _verdict.GUEST_FAILED:
        return "; ".join(_guest_failure(guest) for guest in _verdict.guests_of(result) if guest.get("failed"))
    if word == _verdict.DEGRADED:
        return f"the host is without a device that it should have: {_seen_first(result)}"
    if word == _verdict.GUEST_DEGRADED:
        return "; ".join(_seen_first(guest) for guest in _verdict.guests_of(result) if _verdict.findings_of(guest))
    if word == _verdict.INCOMPLETE:
        # A rollback has no requests.
        requests = [request for request in _verdict.requests_of(result) if request.get("active") is False]
        inactive = [f"{_name(request)} ({request.get('now')})" for request in requests]
        return f"not active, and a reboot alone will not help: {', '.join(inactive) or 'see the table of this host'}"
    return ""


def _seen_first(result: Result) -> str:
    """Return the first finding, in one line."""
    seen = " ".join(str(_verdict.findings_of(result)[0].get("seen") or "").split())
    return textwrap.shorten(seen, _REASON_WIDTH, placeholder=" ...")


def guest_differences(result: Result) -> list[str]:
    """Return the guests that a run would change, each in words."""
    return [f"{_name(guest)}: {guest.get('now')}" for guest in _verdict.guests_of(result) if guest.get("due")]


def _guest_failure(guest: Result) -> str:
    """Return why a guest failed, in one line."""
    if guest.get("refusals"):
        return f"{_name(guest)}: refused; nothing was changed in it. {_first_refusal(guest)}"
    return f"{_name(guest)}: failed: {' '.join(_message(guest).split())}"


def _first_refusal(result: Result) -> str:
    """Return the first refusal in words, in one line, and how many more there are."""
    refusals = causes([_refusal(refusal) for refusal in result["refusals"] if isinstance(refusal, t.Mapping)])
    if not refusals:
        return "See the refusals above"
    seen = " ".join(refusals[0].seen.split("\n", 1)[0].split())
    code = " ".join(refusals[0].code.split())
    text = f"[{code}] {textwrap.shorten(seen, _REASON_WIDTH, placeholder=' ...')}"
    more = len(refusals) - 1
    return text + (f" (and {more} more: see the refusals above)" if more else "")


def _steps(word: str, result: Result) -> str:
    count = len(result["steps"]) if word == _verdict.PENDING else 0
    return f" ({count} step{'' if count == 1 else 's'})" if count else ""


def _reason(word: str, result: Result, width: int) -> list[str]:
    if word == _verdict.REFUSED:
        codes = dict.fromkeys(str(refusal.get("code")) for refusal in result["refusals"])
        return _wrapped(", ".join(codes), width, "  ", "  ")
    if word == _verdict.STAGED and result.get("held"):
        return _wrapped(f"not rebooted: {result['held']}", width, "  ", "    ")
    return _wrapped(_message(result), width, "  ", "  ") if word in (_verdict.UNREACHABLE, _verdict.FAILED) else []


def _incomplete(result: Result, width: int) -> list[str]:
    """Return the lines that say that the result is incomplete, and for lack of which files."""
    paths = _verdict.unreadable_of(result)
    if not paths:
        return []
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    text = f"incomplete: could not read {', '.join(paths[:_MOST_PATHS])}{more}."
    return _wrapped(f"{text} Add -K, or run as root, to inspect everything.", width, "  ", "    ")


def _name(request: Result) -> str:
    words = [str(request[key]) for key in ("section", "name") if request.get(key)]
    return words[-1] if len({word.lower() for word in words}) == 1 else " ".join(words)


def _columns(width: int) -> tuple[int, ...]:
    """Return the widths of the table's columns: what the marks leave goes to the texts, three to two."""
    texts = width - _FIXED
    requested = texts * 3 // 5
    return (requested, *_MARK_WIDTHS, texts - requested)


def _row(request: Result, widths: t.Sequence[int]) -> list[str]:
    what = _name(request)
    requested = request.get("requested")
    cells = [
        what + (f": {requested}" if requested else ""),
        *(_mark(request.get(key)) for key in ("configured", "staged", "active")),
        str(request.get("now") or ""),
    ]
    columns = [_fitted(cell, width) for cell, width in zip(cells, widths)]
    height = max(len(column) for column in columns)
    return [_line([column[row] if row < len(column) else "" for column in columns], widths) for row in range(height)]


def _mark(state: t.Any) -> str:
    return _MARKS.get(state, "-") if isinstance(state, bool) else "-"


def _line(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths)]
    return ("  " + (" " * _GAP).join(padded)).rstrip()


def _problems(result: Result, width: int) -> list[str]:
    word = _verdict.verdict(result)
    if word == _verdict.REFUSED:
        refusals = [refusal for refusal in result["refusals"] if isinstance(refusal, t.Mapping)]
        return _refusals(refusals, width)
    if word in (_verdict.UNREACHABLE, _verdict.FAILED):
        return _wrapped(f"[{word}] {_message(result)}", width, "  ", "    ")
    return [line for guest in _verdict.guests_of(result) for line in _guest_problems(guest, width)]


def _guest_problems(guest: Result, width: int) -> list[str]:
    if guest.get("refusals"):
        return _refusals([refusal for refusal in guest["refusals"] if isinstance(refusal, t.Mapping)], width)
    if guest.get("failed"):
        return _wrapped(f"[{_verdict.GUEST_FAILED}] {_name(guest)}: {_message(guest)}", width, "  ", "    ")
    return []


def _refusals(refusals: t.Sequence[Result], width: int) -> list[str]:
    """Return the lines of refusals or findings; each cause, danger and remedy is printed once."""
    lines = []
    for paragraph in paragraphs([_refusal(refusal) for refusal in refusals]):
        first, *more = paragraph.seen
        if paragraph.codes:
            lines += _wrapped(f"[{', '.join(paragraph.codes)}] {first}", width, "  ", "    ")
        else:
            more = [first, *more]
        lines += [line for text in more for line in _wrapped(text, width, "    ", "    ")]
        lines += _wrapped(f"Why this matters: {paragraph.danger}", width, "    ", "      ") if paragraph.danger else []
        lines += _wrapped(f"What to do: {paragraph.remedy}", width, "    ", "      ")
    return lines


def _refusal(refusal: Result) -> Refusal:
    code, seen, danger, remedy = (str(refusal.get(key)) for key in ("code", "seen", "danger", "remedy"))
    because = refusal.get("because")
    return Refusal(code, seen, danger, remedy, None if because is None else str(because))


def _message(result: Result) -> str:
    return str(result.get("msg") or "").strip() or "Ansible reported no reason; run again with -v"


def _counts(results: Results, predicted: bool) -> str:
    words = [_verdict.verdict(result, predicted) for result in results.values()]
    counts = [f"{words.count(word)} {word}" for word in _verdict.VERDICTS if word in words]
    return f"{len(words)} host{'' if len(words) == 1 else 's'}: {', '.join(counts) or 'none'}"


def _texts(values: t.Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, (list, tuple)) else []


def _fitted(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _wrapped(text: str, width: int, first: str = "", more: str = "  ") -> list[str]:
    """Return the text wrapped to a width. Its own line breaks are kept."""
    lines: list[str] = []
    for part in text.splitlines():
        start = more if lines else first
        lines += textwrap.wrap(
            part, width, initial_indent=start, subsequent_indent=more, break_on_hyphens=False, replace_whitespace=False
        )
    return lines
