# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names for hosts: none leads out of the directory, and no two hosts have the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem

#: What stems are made of, to find two names with the same one.
SIMILAR = st.text(alphabet="a.-~/2f\N{LATIN SMALL LETTER E WITH ACUTE}", max_size=8)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("ws1", "ws1"),
        ("ws-1.example.org", "ws-1.example.org"),
        ("../../x", "~2e.~2f..~2fx"),
        ("..", "~2e."),
        ("/etc/passwd", "~2fetc~2fpasswd"),
        ("-rf", "~2drf"),
        ("fe80::1", "fe80~3a~3a1"),
        ("a b", "a~20b"),
        ("~", "~7e"),
        ("", "~"),
        ("a\0b", "a~00b"),
        ("<img>", "~3cimg~3e"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert file_stem(name) == stem


@given(st.text())
def test_a_stem_is_a_plain_file_name(name: str) -> None:
    stem = file_stem(name)
    assert re.fullmatch(r"[A-Za-z0-9_~][A-Za-z0-9._~-]{0,179}", stem)
    assert len(f".{stem}.parity.json") <= 255


@given(SIMILAR, SIMILAR)
def test_two_names_have_two_stems(one: str, other: str) -> None:
    assert (file_stem(one) == file_stem(other)) == (one == other)


def test_long_names_have_two_stems() -> None:
    assert file_stem("a" * 300) != file_stem("a" * 301)
    assert file_stem("\N{SNOWMAN}" * 300) != file_stem("\N{SNOWMAN}" * 299 + "a")
