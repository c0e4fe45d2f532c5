# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of boots read back, and damaged ones count as none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import (
    KINDS,
    BootCheck,
    BootFacts,
    Change,
    FunctionFacts,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot_records import (
    parse_check,
    parse_facts,
    render_check,
    render_facts,
)

FUNCTIONS = {"0000:01:00.0": FunctionFacts("x", "1", None)}
FACTS = BootFacts("a", None, "1.0", "6.1", ("ro",), "ready", "enabled", None, FUNCTIONS)
CHECKS = st.builds(
    BootCheck,
    st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.text(max_size=5),
    st.booleans(),
    st.text(max_size=5),
    st.lists(st.builds(Change, st.sampled_from(KINDS), st.text(max_size=5)), max_size=3).map(tuple),
    st.none() | st.text(max_size=5),
)


@given(CHECKS)
def test_a_check_reads_back(check: BootCheck) -> None:
    assert parse_check(render_check(check)) == check


def test_facts_read_back() -> None:
    assert parse_facts(render_facts(FACTS)) == FACTS


DAMAGED = [None, "", "{", "[]", "null", "[" * 100_000, '{"format": 2}', '{"format": 1}', '"format"']


@pytest.mark.parametrize("text", DAMAGED)
def test_damage_counts_as_none(text: str | None) -> None:
    assert parse_facts(text) is None
    assert parse_check(text) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("functions", []),
        ("functions", {"a": None}),
        ("functions", {"a": {"identity": 1, "group": None, "driver": None}}),
        ("cmdline", "ro"),
        ("cmdline", [1]),
        ("kernel", 6),
        ("interrupt_remapping", "on"),
        ("format", 2),
    ],
)
def test_facts_with_a_wrong_value_count_as_none(key: str, value: Any) -> None:
    assert parse_facts(json.dumps({**json.loads(render_facts(FACTS)), key: value})) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(st.sampled_from(sorted(json.loads(render_facts(FACTS)))), JSON)
def test_any_value_is_facts_or_none(key: str, value: Any) -> None:
    facts = parse_facts(json.dumps({**json.loads(render_facts(FACTS)), key: value}))
    assert facts is None or parse_facts(render_facts(facts)) == facts
