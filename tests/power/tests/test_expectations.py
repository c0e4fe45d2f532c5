# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""During a step, each fact is as before or as after it; after the step, it is as after it."""

from __future__ import annotations

import pytest

from tests.power.expectations import Mark, Timeline

OLD, NEW = {"line": "old", "initrd": "1"}, {"line": "new", "initrd": "1", "more": "2"}
TIMELINE = Timeline([Mark(5, False, "apply"), Mark(9, True, "apply")], [OLD, NEW])


@pytest.mark.parametrize(
    ("position", "facts", "problem"),
    [
        (5, OLD, None),
        (8, NEW, None),
        (8, {"line": "new", "initrd": "1"}, None),
        (8, {"line": "torn", "initrd": "1"}, "line is torn, and may be old or new"),
        (8, {"line": "new"}, "initrd is None, and may be 1"),
        (9, NEW, None),
        (100, OLD, "line is old, and may be new"),
    ],
)
def test_what_may_be_found(position: int, facts: dict[str, str], problem: str | None) -> None:
    expectation = TIMELINE.at(position)
    assert expectation.problem(facts, expectation.names) == problem


def test_the_first_mark_is_where_it_begins() -> None:
    assert (TIMELINE.begin, TIMELINE.at(5).step, TIMELINE.at(9).step) == (5, "during apply", "after apply")
