# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of kernel versions, and the version in the name of an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.versions import (
    is_version,
    version_in_name,
    version_order,
)


@pytest.mark.parametrize(
    "ascending",
    [
        ["6.1.0-9-amd64", "6.1.0-28-amd64", "6.12.9+bpo-amd64", "6.12.10-amd64", "7.0"],
        ["6.12-rc1", "6.12-rc10", "6.12", "6.12.0"],
        ["6.1~exp1", "6.1", "6.1-1"],
        ["4.18.0-80.el8.x86_64", "4.18.0-553.22.1.el8_10.x86_64", "5.14.0-1.el9.x86_64"],
        ["6.9.0-1", "6.10.0-1", "6.10.00002-1"],
    ],
)
def test_order(ascending: list[str]) -> None:
    versions = ascending[::-1]
    versions.sort(key=version_order)
    assert versions == ascending


@given(st.lists(st.text(), max_size=5))
def test_any_texts_can_be_sorted(texts: list[str]) -> None:
    assert len(sorted(texts, key=version_order)) == len(texts)


def test_numbers_of_any_length_are_compared() -> None:
    assert version_order("6." + "9" * 10_000) > version_order("6." + "9" * 9_999)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/boot/vmlinuz-6.1.0-28-amd64", "6.1.0-28-amd64"),
        ("/vmlinuz-5.15.0-91-generic.efi.signed", "5.15.0-91-generic"),
        ("/boot/vmlinux-6.1.0-28-arm64", "6.1.0-28-arm64"),
        ("/kernel-6.6.13-gentoo", "6.6.13-gentoo"),
        ("/0123/6.12.1-1-default/linux", "6.12.1-1-default"),
        ("/lib/modules/6.12.1/vmlinuz", "6.12.1"),
        ("/boot/vmlinuz-linux", None),
        ("/boot/vmlinuz-0-rescue-0123456789abcdef", None),
        ("/boot/vmlinuz-6.1.0.old", None),
        ("/boot/memtest86+.bin", None),
        ("/vmlinuz", None),
        ("", None),
    ],
)
def test_version_in_name(path: str, version: str | None) -> None:
    assert version_in_name(path) == version


@pytest.mark.parametrize("text", ["", ".", "..", "6", "6.1/..", "6.1 ", "linux", "6.1\n", "6.1.bak", "6.1" + "0" * 200])
def test_texts_that_are_not_versions(text: str) -> None:
    assert not is_version(text)
