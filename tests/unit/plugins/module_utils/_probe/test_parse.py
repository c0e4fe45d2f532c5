# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsers of kernel text: printed values are parsed back, and invalid text is None."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe import parse
from ansible_collections.vfio.workstation.tests.machines.files import as_list, as_mask

ANY_TEXT = st.text(max_size=40)
LIKE_NUMBERS = st.text("0123456789-+,x abcdefKMG\u0663\u00b2_", max_size=24)


@given(st.frozensets(st.integers(0, 4095), min_size=1))
def test_a_list_that_the_kernel_prints_is_parsed_back(numbers: frozenset[int]) -> None:
    assert parse.cpu_list(as_list(numbers)) == tuple(sorted(numbers))


@pytest.mark.parametrize("text", ["", "\n", " ", "(null)", "(null)\n"])
def test_an_empty_list_is_empty_and_not_unknown(text: str) -> None:
    assert parse.cpu_list(text) == ()


@pytest.mark.parametrize(
    "text", ["1-", "-1", "3-1", "1,,2", ",", "1,", "0x3", "1 2", "0-70000", "0-4294967295", "all", "\u0663", "1\u00b2"]
)
def test_a_damaged_list_is_unknown_as_a_whole(text: str) -> None:
    assert parse.cpu_list(text) is None


@given(ANY_TEXT | LIKE_NUMBERS)
def test_a_list_is_none_or_ascending_and_bounded(text: str) -> None:
    cpus = parse.cpu_list(text)
    if cpus is not None:
        assert list(cpus) == sorted(set(cpus))
        assert all(0 <= number < parse.MOST_IDS for number in cpus)


@given(st.frozensets(st.integers(0, 4095)), st.integers(1, 4096))
def test_a_mask_has_the_same_cpus_as_the_list(numbers: frozenset[int], width: int) -> None:
    mask = as_mask(numbers, max(width, max(numbers, default=0) + 1))
    assert parse.cpu_mask(mask) == parse.cpu_list(as_list(numbers))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        ",",
        "f,",
        ",0000000f",
        "1,f",
        "000000001",
        "0x1",
        "-1",
        "g",
        "1 1",
        "(null)",
        "\u0663",
        "1," + "0" * 65536,
        "1" + ",00000000" * 2048,
    ],
)
def test_a_damaged_mask_is_unknown_as_a_whole(text: str) -> None:
    assert parse.cpu_mask(text) is None


def test_a_mask_of_a_missing_file_is_unknown() -> None:
    assert parse.cpu_mask(None) is None


@given(ANY_TEXT | LIKE_NUMBERS)
def test_a_mask_is_none_or_ascending_and_bounded(text: str) -> None:
    cpus = parse.cpu_mask(text)
    if cpus is not None:
        assert list(cpus) == sorted(set(cpus))
        assert all(0 <= number < parse.MOST_IDS for number in cpus)


@pytest.mark.parametrize("end", ["\0", "\0\0\0", "\n\0", "\0\n"])
def test_a_nul_byte_behind_a_number_is_not_part_of_it(end: str) -> None:
    assert parse.integer("12" + end) == 12
    assert parse.cpu_list("0-3,8" + end) == (0, 1, 2, 3, 8)
    assert parse.cpu_mask("f" + end) == (0, 1, 2, 3)


@pytest.mark.parametrize("text", ["1\x002", "\x001"])
def test_a_nul_byte_elsewhere_is_invalid(text: str) -> None:
    assert parse.integer(text) is None
    assert parse.cpu_list(text) is None
    assert parse.cpu_mask(text) is None


@given(st.integers(0, 2**63 - 1))
def test_a_number_is_parsed_back(number: int) -> None:
    assert parse.integer(f"{number}\n") == number


@given(ANY_TEXT | LIKE_NUMBERS)
@example("1_000")  # int() accepts it
@example("\u0663")  # ARABIC-INDIC DIGIT THREE: int() accepts it too
@example("9" * 5000)
def test_a_number_is_none_or_the_value_of_its_digits(text: str) -> None:
    number = parse.integer(text)
    if number is not None:
        assert text.strip().isascii()
        assert str(number) == (text.strip().lstrip("0") or "0") or (number == 0 and set(text.strip()) <= set("-0"))


@pytest.mark.parametrize(
    ("text", "least", "most", "expected"),
    [
        ("-1", 0, 100, None),
        ("-1", -1, 100, -1),
        ("101", 0, 100, None),
        ("100", 0, 100, 100),
        (None, 0, 100, None),
        ("", 0, 100, None),
    ],
)
def test_a_number_out_of_bounds_is_none(text: str | None, least: int, most: int, expected: int | None) -> None:
    assert parse.integer(text, least, most) == expected


@given(st.integers(0, 2**24 - 1), st.booleans(), st.booleans())
def test_hexadecimal_is_parsed_back_with_leading_zeros(number: int, prefixed: bool, upper: bool) -> None:
    digits = f"{number:X}" if upper else f"{number:x}"
    assert parse.hex_digits(("0x" if prefixed else "") + digits, 6) == f"{number:06x}"


@pytest.mark.parametrize(
    "text", ["", "0x", "x10de", "10de0", "0x110de", "10 de", "-1", "10de\0", "\u0661\u0660de", None]
)
def test_text_that_is_not_an_id_is_none(text: str | None) -> None:
    assert parse.hex_digits(text, 4) is None


@given(ANY_TEXT | LIKE_NUMBERS)
def test_hexadecimal_is_none_or_exactly_that_many_digits(text: str) -> None:
    digits = parse.hex_digits(text, 4)
    assert digits is None or (len(digits) == 4 and set(digits) <= set("0123456789abcdef"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32K", 32 << 10),
        ("98304K", 96 << 20),
        ("1M", 1 << 20),
        ("2g", 2 << 30),
        ("64KB", 64 << 10),
        ("16", None),
        ("K", None),
        ("1.5M", None),
        ("-1K", None),
        ("32KK", None),
        ("9999999999999K", None),
        ("999999999999G", None),  # 70 bits
        ("", None),
        (None, None),
        ("\u0663K", None),
        ("32\u212a", None),  # KELVIN SIGN: equals K where case is ignored in Unicode
    ],
)
def test_sizes(text: str | None, expected: int | None) -> None:
    assert parse.size_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y", True),
        ("N", False),
        ("1", True),
        ("0", False),
        ("y\n", True),
        ("", None),
        ("2", None),
        ("-1", None),
        ("on", None),
        (None, None),
    ],
)
def test_module_parameters(text: str | None, expected: bool | None) -> None:
    assert parse.yes_no(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0000:41:00.0", True),
        ("10000:e1:00.0", True),
        ("0000:41:00.8", False),
        ("41:00.0", False),
        ("0000:41:00.0\n", False),
        ("0000:41:0g.0", False),
        ("0000:AF:00.0", False),
        ("", False),
        ("000000000:41:00.0", False),
        ("\u0660000:41:00.0", False),
    ],
)
def test_addresses_are_full(text: str, expected: bool) -> None:
    assert parse.is_pci_address(text) is expected


def test_bus_order_is_by_domain_first_for_any_number_of_digits() -> None:
    addresses = ["10000:e0:06.0", "0000:c1:00.0", "0001:00:00.0", "0000:01:00.1", "0000:01:00.0"]
    assert sorted(addresses, key=parse.address_order) == [
        "0000:01:00.0",
        "0000:01:00.1",
        "0000:c1:00.0",
        "0001:00:00.0",
        "10000:e0:06.0",
    ]


def test_pairs_are_read_line_by_line() -> None:
    assert parse.key_values("DRIVER=vfio-pci\nPCI_ID=10DE:2684\nnothing\nA=b=c\nDRIVER=nouveau") == {
        "DRIVER": "nouveau",
        "PCI_ID": "10DE:2684",
        "A": "b=c",
    }
    assert parse.key_values("MemTotal:  16 kB", ":") == {"MemTotal": "16 kB"}
    assert parse.key_values(None) == {}


@given(st.dictionaries(st.text("ABC_1", min_size=1), st.text("abc :/", max_size=8).map(str.strip)))
def test_pairs_are_parsed_back(pairs: dict[str, str]) -> None:
    assert parse.key_values("".join(f"{key}={value}\n" for key, value in pairs.items())) == pairs
