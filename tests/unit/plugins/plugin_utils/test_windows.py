# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maintenance windows: days, midnight, time zones, mistakes."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.plugin_utils._windows import (
    closed_text,
    parse_window,
    texts_of,
    window_mistakes,
)


def at(text: str) -> datetime.datetime:
    """A time in UTC; 2026-06-01 is a Monday."""
    return datetime.datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("window", "now", "is_open"),
    [
        ("01:00-05:00 UTC", "2026-06-01 00:59", False),
        ("01:00-05:00 UTC", "2026-06-01 01:00", True),
        ("01:00-05:00 UTC", "2026-06-01 04:59", True),
        ("01:00-05:00 UTC", "2026-06-01 05:00", False),
        ("00:00-00:00 UTC", "2026-06-01 12:00", True),
        ("22:00-05:00 UTC", "2026-06-01 23:00", True),
        ("22:00-05:00 UTC", "2026-06-01 04:59", True),
        ("22:00-05:00 UTC", "2026-06-01 05:00", False),
        ("22:00-05:00 UTC", "2026-06-01 21:59", False),
        ("mon 22:00-05:00 UTC", "2026-06-01 23:00", True),
        ("mon 22:00-05:00 UTC", "2026-06-02 04:00", True),
        ("mon 22:00-05:00 UTC", "2026-06-01 04:00", False),
        ("sun 22:00-05:00 UTC", "2026-06-01 04:00", True),
        ("sat,sun 01:00-05:00 UTC", "2026-06-01 02:00", False),
        ("sat,sun 01:00-05:00 UTC", "2026-06-06 02:00", True),
        ("tue-thu 01:00-05:00 UTC", "2026-06-05 02:00", False),
        ("fri-mon 01:00-05:00 UTC", "2026-06-01 02:00", True),
        ("fri-mon 01:00-05:00 UTC", "2026-06-02 02:00", False),
        ("01:00-02:00 Europe/Berlin", "2026-06-01 23:30", True),
        ("mon 01:00-02:00 Europe/Berlin", "2026-05-31 23:30", True),
        ("01:00-02:00 Europe/Berlin", "2026-12-01 00:30", True),
    ],
)
def test_a_window_is_open_or_closed(window: str, now: str, is_open: bool) -> None:
    parsed = parse_window(window)
    assert parsed is not None
    assert parsed.is_open(at(now)) == is_open
    assert (closed_text(window, at(now)) == "") == is_open


@pytest.mark.parametrize(
    "text",
    [
        *("", "night", "1:00-5:00", "24:00-05:00", "01:60-05:00", "01:00", "some 01:00-02:00", "mon- 01:00-02:00"),
        *("01:00-02:00 Europe/Nowhere", "01:00-02:00 ../../etc/passwd", "MON 01:00-02:00", "01:00-02:00 UTC x"),
    ],
)
def test_mistakes_name_the_variable_and_what_was_found(text: str) -> None:
    (mistake,) = window_mistakes(["01:00-02:00", text])
    assert mistake.startswith(f"workstation_reboot_window: found {text!r}, expected a time such as")


@pytest.mark.parametrize(("value", "texts"), [(None, []), ([], []), ("a", ["a"]), (["a", "b"], ["a", "b"]), (1, ["1"])])
def test_one_window_or_several(value: Any, texts: list[str]) -> None:
    assert texts_of(value) == texts


def test_without_a_window_any_time_is_right_and_one_of_several_is_enough() -> None:
    assert closed_text([], at("2026-06-01 12:00")) == ""
    assert closed_text(["01:00-02:00 UTC", "12:00-13:00 UTC"], at("2026-06-01 12:00")) == ""
    assert closed_text(["01:00-02:00 UTC"], at("2026-06-01 12:00")) == (
        "outside of its maintenance window (workstation_reboot_window: 01:00-02:00 UTC)"
    )


@given(st.text())
def test_any_text_is_a_window_or_a_mistake(text: str) -> None:
    assert (parse_window(text) is None) == bool(window_mistakes(text))
