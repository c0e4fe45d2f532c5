# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assignments in files that a shell sources."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import cmdline
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_defaults import (
    Assignment,
    assignments,
    replace_value,
)

# As Debian's, Arch's and people's files have them.
DEFAULTS = r"""# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"   # a comment
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


def test_values_are_parsed_as_a_shell_does() -> None:
    values = {(item.name, item.line): (item.text, item.is_certain) for item in assignments(DEFAULTS)}
    assert values == {
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
    ("text", "discards_previous"),
    [("X=a", True), ("X='$Y'", True), ("X+=a", False), ('X="$X a"', False), ("X=${X:-b}", False), ("X=$XY", True)],
)
def test_whether_the_previous_value_is_lost(text: str, discards_previous: bool) -> None:
    (assignment,) = assignments(text)
    assert assignment.discards_previous == discards_previous


def shell_value(text: str) -> str:
    """Return the value that a shell gives X; references to X and Y expand to themselves."""
    line = "Y='$Y'; X='$X'\n" + text + 'printf %s "$X"'
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout


RAW_VALUES = ["", '""', "''", "quiet", '"quiet"', "'a b'", 'a" b"', '"$X y"', r'"a=\"b c\""', '"a  b" # why', "a # why"]
RAW_VALUES += [
    '"a \\\nb"',
    r'"a\%b \\ c"',
    "'a'\"b\"",
    '"a "b" c"',
    '"a -- b"',
    '" a "',
    "a=1,2:3",
    r"a\ b",
    "iommu=off",
]


def assignment_of_x(text: str) -> Assignment:
    return next(assignment for assignment in assignments(text) if assignment.name == "X")


@pytest.mark.parametrize("raw", RAW_VALUES)
@pytest.mark.parametrize("added", ["iommu=pt", 'dyndbg="file x +p"', "a b"])
def test_removing_what_was_added_restores_every_byte(raw: str, added: str) -> None:
    text = f"A=1\nX={raw}\nB=2\n"
    before = assignment_of_x(text)
    changed = replace_value(text, before, f"{before.text} {added}".lstrip())
    assert changed is not None
    assert changed.startswith("A=1\nX=")
    assert changed.endswith("\nB=2\n")
    after = assignment_of_x(changed)
    assert after.text == f"{before.text} {added}".lstrip()
    assert replace_value(changed, after, before.text) == text


@pytest.mark.parametrize("raw", RAW_VALUES)
def test_two_owners_add_and_remove_arguments_in_any_order(raw: str) -> None:
    text = f"A=1\nX={raw}\nB=2\n"
    original = shell_value(text)
    for order in ("ab", "ba"):
        current = text
        for units in (["x=1"], ["x=1", 'y="2 3"'], ["z", 'y="2 3"'], ["z"] if order == "ab" else ['y="2 3"'], []):
            value = cmdline.appended(original, units)
            changed = replace_value(current, assignment_of_x(current), value)
            assert changed is not None
            assert shell_value(changed) == value
            current = changed
        assert current == text


@pytest.mark.parametrize("raw", ["iommu=off", '"iommu=off"', "'iommu=off'", "'a iommu=off'"])
def test_arguments_that_are_set_aside_are_restored_to_the_byte(raw: str) -> None:
    text = f"X={raw}\n"
    (before,) = assignments(text)
    for value in (
        cmdline.without(before.text, ["iommu=off"]),
        cmdline.changed(before.text, ["iommu=off"], ["iommu=pt"]),
    ):
        changed = replace_value(text, before, value)
        assert changed is not None
        assert shell_value(changed) == value
        (after,) = assignments(changed)
        assert replace_value(changed, after, before.text) == text


def test_a_comment_after_the_value_is_kept() -> None:
    text = 'X="quiet" # why\n'
    (assignment,) = assignments(text)
    assert replace_value(text, assignment, "quiet iommu=pt") == 'X="quiet iommu=pt" # why\n'


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
def test_a_shell_parses_every_value_as_we_do(raw: str, words: str) -> None:
    text = f"X={raw}\n"
    (assignment,) = assignments(text)
    assert shell_value(text) == assignment.text
    changed = replace_value(text, assignment, words)
    assert changed is not None
    assert shell_value(changed) == words


@given(PIECES, WORDS.filter(bool), WORDS)
def test_removing_what_was_appended_restores_every_byte(raw: str, first: str, second: str) -> None:
    text = current = f"X={raw}\n"
    (original,) = assignments(text)
    start = original.text
    for value in (f"{start} {first}", f"{start} {first} {second}", f"{start} {second}", start):
        (assignment,) = assignments(current)
        current = replace_value(current, assignment, value) or ""
    assert current == text


@given(st.text(alphabet="AX=\"' \\\n$`#ab;(){}", max_size=40))
def test_any_text_is_parsed_and_changed_in_one_value_or_not_at_all(text: str) -> None:
    for assignment in assignments(text):
        assert text[assignment.start : assignment.end] == assignment.raw
        changed = replace_value(text, assignment, "new")
        if changed is not None:
            assert changed.startswith(text[: assignment.start])
            assert changed.endswith(text[assignment.end :])
