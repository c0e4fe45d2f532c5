# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution, by os-release(5)."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Os
from ansible_collections.vfio.workstation.plugins.module_utils._probe.os_release import assignments, read_os, unquote
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "os"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', Os("debian", "12", ())),
        (
            'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n',
            Os("opensuse-leap", "15.6", ("suse", "opensuse")),
        ),
        ("ID='fedora'\nVERSION_ID=41\n", Os("fedora", "41", ())),
        ("NAME='Arch Linux'\n# a comment\nID=arch\nBUILD_ID=rolling\n", Os("arch", None, ())),
        ("ID=a\nID=b \n", Os("b", None, ())),
        ("ID=\nVERSION_ID=''\n", Os(None, None, ())),
        ("", Os(None, None, ())),
    ],
)
def test_os(tmp_path: Path, text: str, os: Os) -> None:
    write(tmp_path, "etc/os-release", text)
    write(tmp_path, "usr/lib/os-release", "ID=never\nVERSION_ID=1\n")
    assert read_os(Tree(str(tmp_path))) == os


def test_the_vendor_s_file_is_read_if_etc_has_none(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/os-release", "ID=silverblue\n")
    assert read_os(Tree(str(tmp_path))).id == "silverblue"
    assert read_os(Tree(str(tmp_path / "nothing"))) == Os(None, None, ())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ('"a b"', "a b"),
        (r'"a\"b\$c\\d\`e\f"', r'a"b$c\d`e\f'),
        (r"'a\"b'", r"a\"b"),
        (r"a\ b", "a b"),
        ("""'a'"b"c""", "abc"),
        ("a b", "a"),
        ('"never closed', "never closed"),
        ("", ""),
    ],
)
def test_unquote(value: str, text: str) -> None:
    assert unquote(value) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])))
def test_quoted_values_are_unquoted(value: str) -> None:
    assert assignments("A=" + shlex.quote(value)) == {"A": value}


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert all(name.isascii() for name in assignments(text))
