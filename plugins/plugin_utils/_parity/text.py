# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judgements as lines of text: a table for each measurement, and one for a fleet."""

from __future__ import annotations

import textwrap
import typing as t

from .causes import Cause
from .equivalence import RATIO, Comparison, Margin
from .judgement import Judgement, Report
from .sample_size import BlockPlan
from .verdict import EQUIVALENT

_GAP = "  "
_DAY, _HOUR, _MINUTE = 86400, 3600, 60


def table(reports: t.Sequence[Report], width: int = 80) -> list[str]:
    """Return the lines of all measurements, and for several a last table with a row for each host."""
    lines = [line for report in reports for line in _host(report, width)]
    return [*lines, *_fleet(reports)] if len(reports) > 1 else lines


def plan_lines(name: str, plans: t.Mapping[str, BlockPlan], limit: float) -> list[str]:
    """Return the lines that announce the comparison with the guest: how many blocks, and how long they take.

    Args:
        name: Name of the host.
        plans: The plan of each kind of work.
        limit: Seconds that all may take.
    """
    total = sum(plan.seconds for plan in plans.values())
    lines = [f"{name}: comparing with the guest takes about {duration(total)} (limit: {duration(limit)})"]
    if total > limit:
        lines.append(
            "  the fewest blocks that show anything take longer than the limit: request fewer kinds, or more time"
        )
    for kind, plan in plans.items():
        if plan.needed is None:
            lines.append(f"  {kind}: {plan.planned} blocks; this host is too noisy for a verdict of equivalence")
        elif plan.planned < plan.needed:
            odds = f"a verdict of equivalence has a chance of {plan.power * 100:.0f} %"
            lines.append(f"  {kind}: {plan.planned} blocks of the {plan.needed} needed; {odds}")
        else:
            lines.append(f"  {kind}: {plan.planned} blocks")
    return lines


def duration(seconds: float) -> str:
    """Return a duration for the user, of two units."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def value_text(effect: float, margin: Margin) -> str:
    """Return an effect for the user: `-0.31 %`, or `+12.0 µs`."""
    value = margin.from_effect(effect)
    return f"{(value - 1) * 100:+.2f} %" if margin.scale == RATIO else f"{value:+.1f} µs"


def interval_text(comparison: Comparison | None, margin: Margin) -> str:
    """Return an interval for the user: `-0.44 % to +0.12 %`."""
    if comparison is None:
        return "unknown"
    return f"{value_text(comparison.low, margin)} to {value_text(comparison.high, margin)}"


def margin_text(margin: Margin) -> str:
    """Return what counts as equivalent, for the user."""
    if margin.scale == RATIO:
        return f"within {(margin.upper - 1) * 100:.3g} %"
    return f"at most {margin.upper:+.3g} µs"


def title(report: Report) -> str:
    """Return the verdict in a line."""
    native, guest = report.result.native, report.result.guest
    if guest is None:
        return f"{native.name}: noise between two native sides; no guest was measured"
    return (
        f"{native.name}: guest {guest.name} is {report.word}"
        if _is_adjective(report.word)
        else (f"{native.name}: guest {guest.name}: {report.word}")
    )


def _is_adjective(word: str) -> bool:
    return word.endswith("equivalent")


def _host(report: Report, width: int) -> list[str]:
    lines = [title(report)]
    has_guest = report.result.guest is not None
    titles = ("kind", "noise (90 %)", "guest (90 %)", "blocks", "verdict") if has_guest else ("kind", "noise (90 %)")
    rows = [_row(item)[: len(titles)] for item in report.kinds.values()]
    lines += _columns([titles, *rows])
    if has_guest:
        lines += _reasons(report, width)
        lines += _causes(report, width)
    for difference in report.differences:
        lines += _wrapped(f"different on both sides: {difference}", width)
    return lines


def _row(item: Judgement) -> tuple[str, ...]:
    guest = item.verdict.guest
    return (
        item.kind.title,
        interval_text(item.verdict.noise, item.margin),
        interval_text(guest, item.margin),
        str(guest.blocks if guest else 0),
        item.verdict.word,
    )


def _reasons(report: Report, width: int) -> list[str]:
    """Return a line for each reason, with the kinds that it is for."""
    kinds: dict[str, list[str]] = {}
    for kind, item in report.kinds.items():
        if item.verdict.word != EQUIVALENT:
            reason = f"{item.verdict.reason} ({margin_text(item.margin)} is equivalent)"
            kinds.setdefault(reason, []).append(kind)
    return [line for reason, names in kinds.items() for line in _wrapped(f"{', '.join(names)}: {reason}", width)]


def _causes(report: Report, width: int) -> list[str]:
    """Return a line for each cause, with what was found for the first kind that has it."""
    first: dict[str, Cause] = {}
    kinds: dict[str, list[str]] = {}
    for kind, item in report.kinds.items():
        for cause in item.causes:
            first.setdefault(cause.code, cause)
            kinds.setdefault(cause.code, []).append(kind)
    lines = ["  what the host shows:"] if first else []
    for code, cause in first.items():
        remedy = f": {cause.remedy}" if cause.remedy else ""
        lines += _wrapped(f"- {cause.text}{remedy} ({', '.join(kinds[code])})", width, 4)
    return lines


def _fleet(reports: t.Sequence[Report]) -> list[str]:
    kinds = list(dict.fromkeys(kind for report in reports for kind in report.kinds))
    rows = [("host", "guest", *kinds)]
    for report in reports:
        guest = report.result.guest
        rows.append((report.result.native.name, guest.name if guest else "", *(_cell(report, kind) for kind in kinds)))
    return ["All hosts", *_columns(rows)]


def _cell(report: Report, kind: str) -> str:
    item = report.kinds.get(kind)
    if item is None or item.verdict.guest is None:
        return "-"
    mark = {"equivalent": "", "not equivalent": " no"}.get(item.verdict.word, " ?")
    return value_text(item.verdict.guest.estimate, item.margin) + mark


def _columns(rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [("  " + _GAP.join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip() for row in rows]


def _wrapped(text: str, width: int, indent: int = 2) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
