# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Saved results: the blocks that are in them, and messages on what can't be used."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import (
    Unreadable,
    blocks_of,
    kinds_of,
    read_result,
    read_results,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.schedule import GUEST, NOISE
from ansible_collections.vfio.workstation.tests.unit.plugins.plugin_utils._parity.documents import document

SMALL = document({"syscalls": 1.0, "integer_one": 1.0}, blocks=2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


def test_the_blocks_are_complete() -> None:
    result = read_result(SMALL, "a")
    assert kinds_of(result) == ["integer_one", "syscalls"]
    assert [len(blocks_of(result, "syscalls", phase)) for phase in (NOISE, GUEST)] == [2, 2]
    interrupted = read_result({**SMALL, "turns": SMALL["turns"][:-1]}, "a")
    assert sorted(len(blocks_of(interrupted, kind, GUEST)) for kind in ("syscalls", "integer_one")) == [1, 2]


def test_the_time_of_a_compilation_is_turned_into_a_speed() -> None:
    result = read_result(document({"compile": 2.0}, noise=0.0, blocks=2), "a")
    block = blocks_of(result, "compile", GUEST)[0]
    assert block.guest[0] == pytest.approx(block.native[0] / 2)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "a: found version 2, expected 1."),
        (("turns",), {}, "a: turns: found {}, expected a list."),
        (("limits", "percent"), "1", "a: limits.percent: found '1', expected a number greater than 0."),
        (("native",), None, "a: native: found None, expected a mapping."),
        (("guest", "cpus"), 3, "a: guest: cpus: found 3, expected a list."),
        (("turns", 3, "kind"), "chess", "a: turns[3]: kind: found 'chess', expected one of integer_one,"),
        (("turns", 3, "phase"), [], "a: turns[3]: phase: found [], expected one of noise, guest."),
        (("turns", 3, "block"), -1, "a: turns[3]: block: found -1, expected a number of 0 or more."),
        (("turns", 3, "samples", 0, "value"), 0, "a: turns[3]: samples: value: found 0, expected a number greater"),
        (("turns", 3, "before", "kvm"), [], "a: turns[3]: before: kvm: found [], expected a mapping."),
        (("turns", 3, "after", "at"), None, "a: turns[3]: after: at: found None, expected a number greater than 0."),
        (("turns", 3, "process"), {"vcpus": 1}, "a: turns[3]: process: vcpus: found 1, expected a list."),
    ],
)
def test_a_message_says_where_and_what(path: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_result(changed(path, value), "a")
    assert str(caught.value).startswith(message)


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    damaged = copy.deepcopy(SMALL)
    place: Any = damaged
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return damaged


PATHS = [
    *((key,) for key in SMALL),
    *(("native", key) for key in SMALL["native"]),
    *(("turns", 0, key) for key in SMALL["turns"][0]),
    *(("turns", 0, "before", key) for key in SMALL["turns"][0]["before"]),
]


@settings(max_examples=60)
@given(path=st.sampled_from(PATHS), value=JSON)
def test_any_damage_is_a_message_or_harmless(path: tuple[Any, ...], value: Any) -> None:
    try:
        read_result(changed(path, value), "a")
    except Unreadable as error:
        assert str(error).startswith("a: ")


def test_several_results_are_numbered() -> None:
    with pytest.raises(Unreadable, match="result 2: found 7, expected a mapping"):
        read_results([SMALL, 7])
    with pytest.raises(Unreadable, match="found dict, expected a list of results"):
        read_results({})
