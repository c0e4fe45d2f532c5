# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judgements as one static page: HTML with the intervals drawn as SVG. It loads nothing from any network."""

from __future__ import annotations

import typing as t

import jinja2

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.equivalence import RATIO, Comparison, Margin
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.judgement import Judgement, Report
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.text import (
    interval_text,
    margin_text,
    title,
    value_text,
)

#: Of the drawing of an interval, in pixels. The margin is its middle third.
_WIDTH, _HEIGHT = 360, 34
_EDGE = 6
_CLASSES = {"equivalent": "good", "not equivalent": "bad", "too noisy to say": "unknown", "not measured": "unknown"}


class Stripe(t.NamedTuple):
    """An interval as it is drawn: left end, width and middle in pixels, and what it says."""

    x: float
    width: float
    middle: float
    y: int
    style: str
    label: str


class Row(t.NamedTuple):
    """A kind of work, as it is shown."""

    title: str
    margin: str
    noise: str
    guest: str
    word: str
    style: str
    blocks: int
    reason: str
    stripes: tuple[Stripe, ...]
    causes: tuple[tuple[str, str], ...]


def page(reports: t.Sequence[Report]) -> str:
    """Return the page of one or more measurements."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    hosts = [
        {
            "title": title(report),
            "style": _CLASSES[report.word],
            "rows": [_row(item) for item in report.kinds.values()],
            "differences": report.differences,
            "facts": _facts(report),
        }
        for report in reports
    ]
    return environment.from_string(_PAGE).render(
        hosts=hosts, fleet=_fleet(reports), width=_WIDTH, height=_HEIGHT, third=_WIDTH / 3
    )


def _row(item: Judgement) -> Row:
    verdict, margin = item.verdict, item.margin
    stripes = (
        _stripe(verdict.noise, margin, 9, "noise", "noise"),
        _stripe(verdict.guest, margin, 25, _CLASSES[verdict.word], "guest"),
    )
    return Row(
        item.kind.title,
        margin_text(margin),
        interval_text(verdict.noise, margin),
        interval_text(verdict.guest, margin),
        verdict.word,
        _CLASSES[verdict.word],
        verdict.guest.blocks if verdict.guest else 0,
        verdict.reason,
        tuple(stripe for stripe in stripes if stripe is not None),
        tuple((cause.text, cause.remedy) for cause in item.causes),
    )


def _stripe(comparison: Comparison | None, margin: Margin, y: int, style: str, name: str) -> Stripe | None:
    if comparison is None:
        return None
    left, middle, right = (_x(value, margin) for value in (comparison.low, comparison.estimate, comparison.high))
    label = f"{name}: {value_text(comparison.estimate, margin)}, 90 % interval {interval_text(comparison, margin)}"
    return Stripe(left, max(right - left, 2.0), middle, y, style, label)


def _x(effect: float, margin: Margin) -> float:
    """Return the position of an effect. The margin is the middle third; what is beyond the drawing is at its edge."""
    upper = margin.bounds[1]
    lower = margin.bounds[0] if margin.scale == RATIO else -upper
    third = _WIDTH / 3
    position = third + (effect - lower) / (upper - lower) * third
    return round(min(max(position, _EDGE), _WIDTH - _EDGE), 1)


def _facts(report: Report) -> list[tuple[str, str, str]]:
    native, guest = report.result.native, report.result.guest
    names = sorted({*native.conditions, *(guest.conditions if guest else ())})
    return [
        (name, str(native.conditions.get(name) or "-"), str((guest.conditions if guest else {}).get(name) or "-"))
        for name in names
    ]


def _fleet(reports: t.Sequence[Report]) -> list[list[tuple[str, str]]]:
    """Return the cells of a table with a row for each host; none for a single host."""
    if len(reports) < 2:
        return []
    kinds = {kind: item.kind.title for report in reports for kind, item in report.kinds.items()}
    rows = [[("host", ""), *((name, "") for name in kinds.values())]]
    for report in reports:
        cells = [(report.result.native.name, _CLASSES[report.word])]
        for kind in kinds:
            item = report.kinds.get(kind)
            guest = item.verdict.guest if item else None
            known = item is not None and guest is not None
            cells.append(
                (value_text(guest.estimate, item.margin), _CLASSES[item.verdict.word])
                if known and item is not None and guest is not None
                else ("-", "unknown")
            )
        rows.append(cells)
    return rows


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parity of guests</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em;
         color: #1c2430; background: #fff; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .35em .7em .35em 0; border-bottom: 1px solid #c9d0d9; }
  svg { display: block; }
  .margin { fill: #e3e8ee; }
  .zero { stroke: #5b6675; stroke-dasharray: 3 3; }
  .noise { fill: #7d8a99; }
  .good { fill: #1d6b2e; color: #1d6b2e; }
  .bad { fill: #a12a18; color: #a12a18; }
  .unknown { fill: #7a5b00; color: #7a5b00; }
  .mark { fill: #1c2430; }
  h1, h2 { line-height: 1.2; }
  @media (prefers-color-scheme: dark) {
    body { color: #eef2f7; background: #14181f; }
    th, td { border-color: #3a4452; }
    .margin { fill: #2a323d; }
    .zero { stroke: #8b97a8; }
    .good { fill: #7fd193; color: #7fd193; }
    .bad { fill: #f09483; color: #f09483; }
    .unknown { fill: #e2c065; color: #e2c065; }
    .mark { fill: #eef2f7; }
  }
</style>
</head>
<body>
<h1>Parity of guests</h1>
<p>Equivalent means: the 90 % interval of the guest is inside the margin (the middle third of each drawing), and so is
the interval between two native sides. The dashed line is no difference; to the right, values are greater.</p>
{% if fleet %}
<h2>All hosts</h2>
<table>
{% for cells in fleet %}
<tr>{% for text, style in cells %}<{{ "th" if loop.index == 1 or not style else "td" }} class="{{ style }}">{{ text }}\
</{{ "th" if loop.index == 1 or not style else "td" }}>{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
{% for host in hosts %}
<h2 class="{{ host.style }}">{{ host.title }}</h2>
<table>
<tr><th>kind</th><th>intervals</th><th>noise</th><th>guest</th><th>blocks</th><th>verdict</th></tr>
{% for row in host.rows %}
<tr>
<td>{{ row.title }}<br><small>{{ row.margin }}</small></td>
<td><svg width="{{ width }}" height="{{ height }}" viewBox="0 0 {{ width }} {{ height }}" role="img" \
aria-label="{% for stripe in row.stripes %}{{ stripe.label }}. {% endfor %}">
<rect class="margin" x="{{ third }}" y="0" width="{{ third }}" height="{{ height }}"/>
<line class="zero" x1="{{ width / 2 }}" y1="0" x2="{{ width / 2 }}" y2="{{ height }}"/>
{% for stripe in row.stripes %}
<rect class="{{ stripe.style }}" x="{{ stripe.x }}" y="{{ stripe.y - 3 }}" width="{{ stripe.width }}" height="6">\
<title>{{ stripe.label }}</title></rect>
<rect class="mark" x="{{ stripe.middle - 1 }}" y="{{ stripe.y - 6 }}" width="2" height="12"/>
{% endfor %}
</svg></td>
<td>{{ row.noise }}</td><td>{{ row.guest }}</td><td>{{ row.blocks }}</td>
<td><strong class="{{ row.style }}">{{ row.word }}</strong><br><small>{{ row.reason }}</small>
{% if row.causes %}
<ul>
{% for text, remedy in row.causes %}
<li>{{ text }}{% if remedy %}: {{ remedy }}{% endif %}</li>
{% endfor %}
</ul>
{% endif %}
</td>
</tr>
{% endfor %}
</table>
{% if host.differences %}
<p>Different on both sides:</p>
<ul>{% for text in host.differences %}<li>{{ text }}</li>{% endfor %}</ul>
{% endif %}
<details><summary>Conditions</summary>
<table>
<tr><th>condition</th><th>native</th><th>guest</th></tr>
{% for name, native, guest in host.facts %}
<tr><td>{{ name }}</td><td>{{ native }}</td><td>{{ guest }}</td></tr>
{% endfor %}
</table>
</details>
{% endfor %}
</body>
</html>
"""
