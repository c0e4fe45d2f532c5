# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assignments in files that a shell reads."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import cmdline
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_defaults import assignments, replaced

# As Debian's, Arch's and people's files have them.
DEFAULTS = r"""# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"   # for every day
GRUB_CMDLINE_LINUX=''
#GRUB_CMDLINE_LINUX="commented out"
if [ -e /etc/nothing ]; then
    GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX nothing"
fi
export GRUB_BARE=quiet
GRUB_ESCAPED="dyndbg=\"file x +p\" a"
GRUB_LONG="a \
b"
GRUB_LONG+=" c"
GRUB_LAST=$(date)"""


def test_values_are_what_a_shell_makes_of_them() -> None:
    found = {(one.name, one.line): (one.text, one.is_certain) for one in assignments(DEFAULTS)}
    assert found == {
        ("GRUB_DEFAULT", 2): ("0", True),
        ("GRUB_DISTRIBUTOR", 3): ("`lsb_release", False),
        ("GRUB_CMDLINE_LINUX_DEFAULT", 4): ("quiet splash", True),
        ("GRUB_CMDLINE_LINUX", 5): ("", True),
        ("GRUB_CMDLINE_LINUX", 8): ("$GRUB_CMDLINE_LINUX nothing", False),
        ("GRUB_BARE", 10): ("quiet", True),
        ("GRUB_ESCAPED", 11): ('dyndbg="file x +p" a', True),
        ("GRUB_LONG", 12): ("a b", True),
        ("GRUB_LONG", 14): (" c", True),
        ("GRUB_LAST", 15): ("$", False),
    }


@pytest.mark.parametrize(
    ("text", "is_last_word"),
    [("X=a", True), ("X='$Y'", True), ("X+=a", False), ('X="$X a"', False), ("X=${X:-b}", False), ("X=$XY", True)],
)
def test_what_a_variable_was_before_is_lost_or_not(text: str, is_last_word: bool) -> None:
    (found,) = assignments(text)
    assert found.is_last_word == is_last_word


def shell(text: str) -> str:
    """What a shell makes of X; a reference that is not set becomes nothing, so that it has to stand for itself."""
    line = "Y='$Y'; X='$X'\n" + text + 'printf %s "$X"'
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout


RAWS = ["", '""', "''", "quiet", '"quiet"', "'a b'", 'a" b"', '"$X y"', r'"a=\"b c\""', '"a  b" # why', "a # why"]
RAWS += ['"a \\\nb"', r'"a\%b \\ c"', "'a'\"b\"", '"a "b" c"', '"a -- b"', '" a "', "a=1,2:3", r"a\ b", "iommu=off"]


@pytest.mark.parametrize("raw", RAWS)
@pytest.mark.parametrize("added", ["iommu=pt", 'dyndbg="file x +p"', "a b"])
def test_what_is_added_goes_again_to_the_byte(raw: str, added: str) -> None:
    text = f"A=1\nX={raw}\nB=2\n"
    value = next(one for one in assignments(text) if one.name == "X")
    made = replaced(text, value, f"{value.text} {added}".lstrip())
    assert made is not None
    assert made.startswith("A=1\nX=")
    assert made.endswith("\nB=2\n")
    again = next(one for one in assignments(made) if one.name == "X")
    assert again.text == f"{value.text} {added}".lstrip()
    assert replaced(made, again, value.text) == text


@pytest.mark.parametrize("raw", RAWS)
def test_two_owners_come_and_go_in_any_order(raw: str) -> None:
    text = f"A=1\nX={raw}\nB=2\n"
    bare = shell(text)
    for order in ("ab", "ba"):
        made = text
        for units in (["x=1"], ["x=1", 'y="2 3"'], ["z", 'y="2 3"'], ["z"] if order == "ab" else ['y="2 3"'], []):
            value = next(one for one in assignments(made) if one.name == "X")
            wanted = cmdline.appended(bare, units)
            changed = replaced(made, value, wanted)
            assert changed is not None
            assert shell(changed) == wanted
            made = changed
        assert made == text


@pytest.mark.parametrize("raw", ["iommu=off", '"iommu=off"', "'iommu=off'", "'a iommu=off'"])
def test_what_stands_back_comes_back_to_the_byte(raw: str) -> None:
    text = f"X={raw}\n"
    (value,) = assignments(text)
    for wanted in (
        cmdline.without(value.text, ["iommu=off"]),
        cmdline.changed(value.text, ["iommu=off"], ["iommu=pt"]),
    ):
        made = replaced(text, value, wanted)
        assert made is not None
        assert shell(made) == wanted
        (again,) = assignments(made)
        assert replaced(made, again, value.text) == text


def test_a_comment_behind_stays() -> None:
    text = 'X="quiet" # why\n'
    (value,) = assignments(text)
    assert replaced(text, value, "quiet iommu=pt") == 'X="quiet iommu=pt" # why\n'


WORDS = st.lists(st.sampled_from(["a", "b=1", "c=d,e", 'f="g h"', "i=%", "-"]), max_size=5).map(" ".join)
PIECES = st.lists(
    st.one_of(
        st.sampled_from(["a", "b=1", r"\ ", r"\x"]),
        st.text(alphabet="ab= -%*?\t", max_size=6).map("'{}'".format),
        st.lists(st.sampled_from(["a", " ", "b=1", r"\"", r"\\", r"\%", "\\\n", "'"]), max_size=5).map(
            lambda parts: '"' + "".join(parts) + '"'
        ),
    ),
    max_size=4,
).map("".join)


@settings(deadline=None)
@given(PIECES, WORDS)
def test_a_shell_reads_every_value_as_we_do(raw: str, words: str) -> None:
    text = f"X={raw}\n"
    (value,) = assignments(text)
    assert shell(text) == value.text
    made = replaced(text, value, words)
    assert made is not None
    assert shell(made) == words


@given(PIECES, WORDS.filter(bool), WORDS)
def test_whatever_is_put_behind_goes_again_to_the_byte(raw: str, first: str, second: str) -> None:
    text = made = f"X={raw}\n"
    (value,) = assignments(text)
    wanted = [f"{value.text} {first}", f"{value.text} {first} {second}", f"{value.text} {second}", value.text]
    for one in wanted:
        (now,) = assignments(made)
        made = replaced(made, now, one) or ""
    assert made == text


@given(st.text(alphabet="AX=\"' \\\n$`#ab;(){}", max_size=40))
def test_any_text_is_read_and_changed_in_one_place_or_not_at_all(text: str) -> None:
    for value in assignments(text):
        assert text[value.start : value.end] == value.raw
        made = replaced(text, value, "new")
        if made is not None:
            assert made.startswith(text[: value.start])
            assert made.endswith(text[value.end :])
