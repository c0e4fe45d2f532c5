# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, CPU lists and PCI addresses in the notation of users and of the kernel."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._plan import notation


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1G", 1 << 30),
        ("2M", 2 << 20),
        ("64k", 64 << 10),
        ("16GiB", 16 << 30),
        ("16 GB", 16 << 30),
        (" 1T ", 1 << 40),
        ("1.5G", 3 << 29),
        ("0.1G", None),
        ("16", None),
        ("G", None),
        ("-1G", None),
        ("1GG", None),
        ("", None),
        ("\u0661G", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert notation.parse_size(text) == size


@settings(deadline=None)
@given(st.integers(0, 1 << 45))
def test_a_size_for_the_user_is_near_the_size(size: int) -> None:
    text = notation.size_text(size)
    parsed = notation.parse_size(text.replace(" ", "")) if "bytes" not in text else int(text.split()[0])
    assert parsed is None or abs(parsed - size) * 100 <= size


@pytest.mark.parametrize(
    ("size", "text"), [(1 << 20, "1G"), (2048, "2M"), (64, "64K"), (16 << 20, "16G"), (32768, "32M")]
)
def test_page_sizes(size: int, text: str) -> None:
    assert notation.page_size_text(size) == text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2-4,10", (2, 3, 4, 10)),
        ("3", (3,)),
        ("4, 2", (2, 4)),
        ("4-2", None),
        ("", None),
        ("a", None),
        ("0-99999", None),
    ],
)
def test_lists_of_numbers(text: str, numbers: tuple[int, ...] | None) -> None:
    assert notation.parse_numbers(text) == numbers


@settings(deadline=None)
@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_reads_back(numbers: set[int]) -> None:
    assert notation.parse_numbers(notation.numbers_text(numbers)) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    ("text", "address", "slot"),
    [
        ("0000:41:00.0", "0000:41:00.0", None),
        ("41:00.0", "0000:41:00.0", None),
        ("10000:E1:00.7", "10000:e1:00.7", None),
        ("41:00", None, "0000:41:00"),
        ("0000:41:00", None, "0000:41:00"),
        ("0000:41:00.8", None, None),
        ("gpu", None, None),
    ],
)
def test_addresses(text: str, address: str | None, slot: str | None) -> None:
    assert (notation.full_address(text), notation.full_slot(text)) == (address, slot)


def test_order_of_addresses() -> None:
    ordered = ["0000:02:00.0", "0000:41:00.0", "10000:01:00.0", "fd000000.pcie"]
    mixed = [ordered[2], ordered[0], ordered[3], ordered[1]]
    assert sorted(mixed, key=notation.address_order) == ordered
