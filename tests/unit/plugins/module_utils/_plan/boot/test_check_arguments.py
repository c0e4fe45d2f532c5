# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requested kernel arguments are invalid, and which can't be given together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.cmdline import appended, carries, units
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.check_arguments import (
    argument_clashes,
    argument_problem,
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("quiet", None),
        ("hugepagesz=1G hugepages=4", None),
        ('dyndbg="file a.c +p"', None),
        ("a=--", None),
        ("", "is empty"),
        (" ", "is empty"),
        ("a=é", "printable"),
        ("a\nb", "printable"),
        ("a\x00", "printable"),
        ('a="b', "not closed"),
        ("-- single", "`--`"),
        ("quiet --", "`--`"),
        ("=pt", "without a name"),
        ("quiet =pt", "without a name"),
    ],
)
def test_problems(text: str, seen: str | None) -> None:
    problem = argument_problem(text)
    if seen is None:
        assert problem is None
    else:
        assert problem is not None
        assert seen in problem.seen
        assert problem.expected
        assert problem.remedy.endswith(".")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["quiet", "splash"], []),
        (["console=tty0", "console=ttyS0"], []),
        (["hugepagesz=1G hugepages=4", "hugepagesz=2M hugepages=4"], []),
        (["hugepagesz=1G", "hugepages=4", "hugepagesz=2M", "hugepages=4"], []),
        (["a-b=1", 'a_b="1"'], ["given twice"]),
        (["iommu=pt iommu=off"], ["together"]),
        (["quiet", "loglevel=3", "loglevel=4", "quiet"], ["twice", "together"]),
    ],
)
def test_clashes(texts: list[str], words: list[str]) -> None:
    messages = list(argument_clashes(texts))
    assert len(messages) == len(words)
    assert all(any(word in message for message in messages) for word in words)


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from(' "=-a_b\n\té1'), max_size=8), max_size=3), st.sampled_from(["", "ro quiet"]))
def test_valid_arguments_reach_the_kernel(texts: list[str], line: str) -> None:
    valid = units(text for text in texts if argument_problem(text) is None)
    assert carries(appended(line, valid), valid)
