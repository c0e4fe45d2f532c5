# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input devices that are keyboards."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Keyboard
from ansible_collections.vfio.workstation.plugins.module_utils._probe.keyboards import has_letters, read_keyboards
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.machines.files import Files

#: The numbers of the letter keys (include/uapi/linux/input-event-codes.h).
LETTERS = {*range(16, 26), *range(30, 39), *range(44, 51)}


def as_bitmap(keys: set[int], bits: int) -> str:
    """Return keys as printed by input_bits_to_string: words in hexadecimal without padding, the highest first."""
    words = [0] * (max(keys, default=0) // bits + 1)
    for key in keys:
        words[key // bits] |= 1 << key % bits
    return " ".join(f"{word:x}" for word in reversed(words)) + "\n"


@pytest.mark.parametrize(
    ("bitmap", "expected"),
    [
        ("1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe", True),
        ("402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", True),
        ("4 2000000 3803078 f800d001 feffffdf ffefffff ffffffff fffffffe", True),  # a 32-bit kernel
        ("10000000000000 0", False),  # a power button
        ("ff0000 0 0 0 0", False),  # a mouse
        ("3ffffffff 0 0 0 0 0", False),
        ("0", False),
        ("", False),
        ("fffffffffffffffe\0", True),
        ("fffffffffffffffg", False),
        ("11111111111111111", False),
        (None, False),
    ],
)
def test_bitmaps(bitmap: str | None, expected: bool) -> None:
    assert has_letters(bitmap) is expected


@given(st.sets(st.integers(0, 767)), st.sampled_from([32, 64]))
def test_a_keyboard_has_all_letters(keys: set[int], bits: int) -> None:
    assert has_letters(as_bitmap(keys | LETTERS, bits))


@given(st.sets(st.integers(0, 767)), st.sampled_from(sorted(LETTERS)))
def test_a_device_without_a_letter_is_not_a_keyboard(keys: set[int], missing: int) -> None:
    # A lowest word of more than 32 bits tells a 64-bit kernel, as any keyboard has.
    assert not has_letters(as_bitmap((keys | LETTERS | {63}) - {missing}, 64))


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert has_letters(text) in (True, False)


def test_a_keyboard_without_a_name_has_that_of_its_node(tmp_path: Path) -> None:
    files = Files(tmp_path)
    folder = "/sys/devices/platform/i8042/serio0/input/input3"
    files.write(f"{folder}/capabilities/key", "fffffffffffffffe")
    files.folder(f"{folder}/event3")
    files.link("/sys/class/input/event3", f"{folder}/event3")
    assert [keyboard for keyboard, _path in read_keyboards(Tree(str(tmp_path)))] == [Keyboard("event3", "event3", None)]
