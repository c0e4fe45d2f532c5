# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record reads back as it was written, and damage is reported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Selector
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import (
    HostRecord,
    Identity,
    RecordedDevice,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import (
    parse_host_record,
    render_host_record,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.record_text import DamagedRecord

WORD = st.none() | st.text(max_size=5)
WORDS = st.none() | st.lists(st.text(max_size=5), max_size=2).map(tuple)
SELECTORS = st.builds(
    Selector, WORD, WORD, WORDS, WORD, WORDS, WORD, WORD, WORD, WORDS, st.none() | st.booleans(), WORD
)
FUNCTIONS = st.lists(st.tuples(st.text(max_size=5), st.builds(Identity, *[WORD] * 8)), max_size=2).map(tuple)
RECORDS = st.builds(
    HostRecord,
    st.lists(
        st.builds(
            RecordedDevice,
            st.text(max_size=5),
            st.integers(0, 9),
            SELECTORS,
            FUNCTIONS,
            FUNCTIONS,
            FUNCTIONS,
            st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
    st.lists(st.integers(0, 99), max_size=3).map(tuple),
    st.integers(0, 9),
)
SAMPLE = HostRecord(
    (RecordedDevice("gpu", 0, Selector(class_=("03",)), (("0000:41:00.0", Identity("10de", *[None] * 6)),), ()),),
    ("0000:41:00.0",),
    (2, 3),
    1,
)


@settings(deadline=None)
@given(RECORDS)
def test_reads_back(record: HostRecord) -> None:
    assert parse_host_record(render_host_record(record)) == record


def test_a_record_of_an_earlier_version_has_set_nothing_aside() -> None:
    content = json.loads(render_host_record(SAMPLE))
    del content["set_aside"]
    assert parse_host_record(json.dumps(content)) == SAMPLE._replace(set_aside=0)


def test_no_file_is_an_empty_record() -> None:
    assert parse_host_record(None) == HostRecord()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1}', "[" * 100000])
def test_a_text_that_is_no_record_is_damage(text: str) -> None:
    with pytest.raises(DamagedRecord):
        parse_host_record(text)


def value_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a record that must have a certain type."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, item in items if key != "about" for inner in value_paths(item, (*path, key)))]


@pytest.mark.parametrize("path", value_paths(json.loads(render_host_record(SAMPLE)))[1:], ids=str)
def test_damage_anywhere_is_reported(path: tuple[Any, ...]) -> None:
    content = json.loads(render_host_record(SAMPLE))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = {"x": 1.5}
    with pytest.raises(DamagedRecord):
        parse_host_record(json.dumps(content))
