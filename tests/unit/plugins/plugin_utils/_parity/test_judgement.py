# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judgements on saved results, and how they are shown: as a table, as a page, and as a plan before the comparison."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.filter.parity_document import parity_document
from ansible_collections.vfio.workstation.plugins.filter.parity_mistakes import parity_mistakes
from ansible_collections.vfio.workstation.plugins.filter.parity_page import parity_page
from ansible_collections.vfio.workstation.plugins.filter.parity_plan import parity_plan
from ansible_collections.vfio.workstation.plugins.filter.parity_table import parity_table
from ansible_collections.vfio.workstation.plugins.filter.parity_turns import parity_turns
from ansible_collections.vfio.workstation.plugins.filter.parity_verdict import parity_verdict
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.text import duration
from ansible_collections.vfio.workstation.tests.unit.plugins.plugin_utils._parity.documents import document, side

EQUAL = document({"integer_one": 1.0, "wake_up": 1.0})
SLOW = document({"integer_one": 0.8, "syscalls": 1.0}, native=side("ws2", hypervisor="yes"))
NOISY = document({"integer_one": 1.0}, noise=0.1, native=side("ws3"))


@pytest.mark.parametrize(
    ("measured", "word"), [(EQUAL, "equivalent"), (SLOW, "not equivalent"), (NOISY, "too noisy to say")]
)
def test_the_verdict(measured: dict[str, object], word: str) -> None:
    assert parity_verdict(measured)["word"] == word


def test_only_what_failed_has_causes() -> None:
    kinds = parity_verdict(SLOW)["kinds"]
    assert [cause["code"] for cause in kinds["integer_one"]["causes"]] == ["nested"]
    assert kinds["syscalls"]["causes"] == []
    assert kinds["integer_one"]["guest"]["blocks"] == 6


def test_everything_can_be_computed_again_from_the_json() -> None:
    again = json.loads(json.dumps(SLOW))
    assert parity_verdict(again) == parity_verdict(SLOW)
    assert parity_table([again], 80) == parity_table([SLOW], 80)
    assert parity_page([again]) == parity_page([SLOW])


def test_the_table_has_intervals_verdicts_and_causes() -> None:
    lines = parity_table([SLOW], 80)
    assert lines[0] == "ws2: guest guest1 is not equivalent"
    assert re.search(
        r"^  integers, one CPU  .* to .* %  -2\d\.\d\d % to -\d\d\.\d\d %  6 +not equivalent$", lines[2]
    ) or (re.search(r"-20\.\d\d % to -(?:20|19)\.\d\d %  6 +not equivalent$", lines[2]))
    assert "  integer_one: the guest is slower (within 1 % is equivalent)" in lines
    (start,) = (number for number, line in enumerate(lines) if "the host is itself a guest" in line)
    assert " ".join(lines[start : start + 2]).endswith("measure on a physical host (integer_one)")
    assert sum("itself a guest" in line for line in lines) == 1


def test_a_fleet_is_side_by_side() -> None:
    lines = parity_table([EQUAL, SLOW, NOISY], 80)
    rows = lines[lines.index("All hosts") + 1 :]
    assert rows[0].split() == ["host", "guest", "integer_one", "wake_up", "syscalls"]
    assert rows[2].split()[:5] == ["ws2", "guest1", rows[2].split()[2], "%", "no"]
    assert rows[3].endswith("-")
    assert " ? " in rows[3]


def test_a_measurement_of_the_noise_alone() -> None:
    alone = {**EQUAL, "guest": None, "turns": [turn for turn in EQUAL["turns"] if turn["phase"] == "noise"]}
    assert parity_table([alone], 80)[0] == "ws1: noise between two native sides; no guest was measured"
    assert parity_verdict(alone)["word"] == "not measured"
    assert "not measured" in parity_page([alone])


class Page(HTMLParser):
    """Collects what a page loads, and its drawings."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "action", "srcset")]


def test_the_page_loads_nothing_and_draws_each_kind() -> None:
    text = parity_page([EQUAL, SLOW, NOISY])
    page = Page()
    page.feed(text)
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert page.tags.count("svg") == 5
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert ElementTree.fromstring(drawing).get("aria-label")


def test_the_page_escapes_what_hosts_say() -> None:
    text = parity_page([{**EQUAL, "native": side("<script>alert(1)</script>", governor="<b>")}])
    assert "<script>" not in text
    assert "<b>" not in text


def test_the_plan_says_how_many_blocks_and_how_long() -> None:
    plan = parity_plan(EQUAL, 3600)
    assert plan["blocks"]["integer_one"] == 4
    assert plan["lines"][0] == "ws1: comparing with the guest takes about 3 min 44 s (limit: 1 h)"
    noisy = parity_plan(NOISY, 3600)
    assert noisy["kinds"]["integer_one"]["needed"] is None or noisy["kinds"]["integer_one"]["needed"] > 50


def test_a_limit_leaves_fewer_blocks_and_says_what_they_are_worth() -> None:
    rough = document({"integer_one": 1.0}, noise=0.012)
    full, short = parity_plan(rough, 1e6), parity_plan(rough, 140)
    assert full["blocks"]["integer_one"] == full["kinds"]["integer_one"]["needed"]
    assert 2 <= short["blocks"]["integer_one"] < full["blocks"]["integer_one"]
    assert short["kinds"]["integer_one"]["power"] < 0.9
    assert "blocks of the" in short["lines"][1]
    assert "has a chance of" in short["lines"][1]


def test_a_limit_that_is_too_short_for_anything_is_reported() -> None:
    plan = parity_plan(EQUAL, 60)
    assert plan["blocks"] == {"integer_one": 2, "wake_up": 2}
    assert plan["lines"][1].startswith("  the fewest blocks that show anything take longer than the limit")


def test_what_was_registered_becomes_a_document() -> None:
    results = [{**turn, "item": turn, "guest": None, "changed": False} for turn in EQUAL["turns"]]
    settings = {"percent": "1", "latency_us": 20, "seed": "seed"}
    assert parity_document(EQUAL["native"], EQUAL["guest"], settings, results) == EQUAL


def test_missing_tools_and_cpus_are_mistakes_with_a_remedy() -> None:
    guest = {**side("guest1"), "cpus": [0], "tools": {"sysbench": None, "perf": None}}
    remedy = "or leave out kinds with parity_kinds."
    choice = "Set parity_cpus to the CPUs that the guest runs on."
    assert parity_mistakes({"native": side("ws1"), "guest": {}}, ["integer_one"]) == []
    assert parity_mistakes({"native": side("ws1"), "guest": guest}, ["integer_one", "integer_all"]) == [
        f"guest1 has no sysbench. Install sysbench (Debian, Ubuntu) or sysbench (Fedora), {remedy}",
        f"parity_cpus: 2 CPUs of ws1 would be compared with the 1 of guest1. {choice}",
    ]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.6, "1 min"), (3700, "1 h 1 min"), (90000, "1 d 1 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_is_no_result_is_an_error_that_says_so() -> None:
    with pytest.raises(AnsibleFilterError, match="parity_table: found dict, expected a list of results"):
        parity_table({})
    with pytest.raises(AnsibleFilterError, match="parity_page: result 1: found version None, expected 1"):
        parity_page([{}])
    with pytest.raises(AnsibleFilterError, match="parity_verdict: document: found None, expected a mapping"):
        parity_verdict(None)
    with pytest.raises(AnsibleFilterError, match="parity_plan: document: found version 3"):
        parity_plan({"version": 3}, 60)
    with pytest.raises(AnsibleFilterError, match="parity_turns: phase: found 'both', expected one of noise, guest"):
        parity_turns({"syscalls": 1}, "both")
    with pytest.raises(AnsibleFilterError, match="parity_turns: found 'syscalls', expected how many blocks"):
        parity_turns("syscalls", "noise")
    with pytest.raises(
        AnsibleFilterError, match=r"parity_document: expected what vfio\.workstation\.benchmark returned"
    ):
        parity_document([], {}, {}, [])
    with pytest.raises(AnsibleFilterError, match="parity_mistakes: expected native and guest"):
        parity_mistakes({}, [])
