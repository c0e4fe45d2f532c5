# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB's shell language: words, quotes, variables, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_script import (
    WORD_LIMIT,
    Variables,
    commands,
)


def arguments(script: str, **values: str) -> list[list[str]]:
    variables = Variables(values)
    return [variables.expand(command.words) for command in commands(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("linux /vmlinuz a=b", [["linux", "/vmlinuz", "a=b"]]),
        ("a\tb ; c\nd", [["a", "b"], ["c"], ["d"]]),
        ("a 'b c' \"d e\"", [["a", "b c", "d e"]]),
        ("a x='b c'\"d\"e", [["a", "x=b cde"]]),
        (r"a b\ c \'", [["a", "b c", "'"]]),
        (r'a "b\"c" "d\$e" "f\g" "h\\i"', [["a", 'b"c', "d$e", r"f\g", r"h\i"]]),
        (r"a 'b\'c", [["a", "b\\c"]]),
        ("a b \\\nc", [["a", "b", "c"]]),
        ("a '' \"\"", [["a", "", ""]]),
        ("# don't read this\na # nor 'this\nb", [["a"], ["b"]]),
        ("a b#c", [["a", "b#c"]]),
        ("a $x ${x} '$x' \"$x\" y$x", [["a", "1", "2", "1", "2", "$x", "1 2", "y1", "2"]]),
        ("a $unset b", [["a", "b"]]),
        ('a "$unset" b', [["a", "", "b"]]),
        ("a 'unterminated\nb", [["a", "unterminated\nb"]]),
        ('a "unterminated\\', [["a", "unterminated\\"]]),
        ("a $", [["a", "$"]]),
        ("a ${not terminated", [["a", "$"], ["not", "terminated"]]),
        ("", []),
    ],
)
def test_words(script: str, expected: list[list[str]]) -> None:
    assert [words for words in arguments(script, x="1 2") if words] == expected


def test_blocks_begin_and_end() -> None:
    assert [command.end for command in commands("menuentry 'a' { linux b\n }\nset c=d")] == ["{", ";", "}", ";"]


def test_a_conditional_assignment_sets_a_default() -> None:
    variables = Variables({"kept": "old"})
    variables.set("kept=new", conditional=True)
    variables.set("given=new", conditional=True)
    assert (variables.get("kept"), variables.get("given")) == ("old", "new")
    variables.set("kept=newer", conditional=False)
    assert variables.get("kept") == "newer"


def test_doubling_a_variable_is_limited() -> None:
    variables = Variables({"a": "x" * 64})
    for _repetition in range(3000):
        variables.set("a=" + "".join(variables.expand(next(commands('"$a$a"')).words)), conditional=False)
    assert len(variables.get("a")) <= 2 * WORD_LIMIT


@given(st.text(alphabet=st.sampled_from("ab $'\"\\{};\n#=x[]&|<>`()") | st.characters()))
def test_any_text_is_parsed(script: str) -> None:
    assert all(isinstance(word, str) for words in arguments(script, a="b c") for word in words)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_quoted_words_are_parsed(words: list[str]) -> None:
    quoted = ["'" + word.replace("'", "'\\''") + "'" for word in words]
    assert arguments(" ".join(quoted)) == [words]


def test_unterminated_variables_are_parsed_in_one_pass() -> None:
    assert len(arguments("${" * 20_000)) == 20_000
