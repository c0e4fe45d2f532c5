# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines are parsed as the kernel does, and written back byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import cmdline

UNITS = st.lists(
    st.sampled_from(
        ["intel_iommu=on", "iommu=pt", "hugepagesz=1G hugepages=8", "hugepagesz=2M hugepages=512", 'a="b c"', "quiet"]
    ),
    unique=True,
    max_size=4,
)
# Text of others in a line: white space of every kind, closed quotes, the end of the kernel's part.
FOREIGN = st.lists(
    st.sampled_from(
        ["root=UUID=1", "ro", "quiet", "iommu=pt", 'b="c  d"', "--", "init", " ", "\t", "  ", "hugepages=3"]
    )
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("root=/dev/sda1 ro", [("root", "/dev/sda1"), ("ro", None)]),
        ('a="b c" d', [("a", "b c"), ("d", None)]),
        ('"a=b c" d', [("a", "b c"), ("d", None)]),
        ("vfio-pci.ids=10de:1b80", [("vfio_pci.ids", "10de:1b80")]),
        ("a=", [("a", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("a -- b", [("a", None)]),
        ("a --b", [("a", None), ("__b", None)]),
        ('dyndbg="file x +p"', [("dyndbg", "file x +p")]),
        ("", []),
    ],
)
def test_arguments_are_read_as_the_kernel_reads_them(text: str, meanings: list[tuple[str, str | None]]) -> None:
    assert [argument.meaning for argument in cmdline.parse(text).arguments] == meanings


@given(st.text(alphabet=' \t\n"=-_abz01', max_size=60))
def test_any_text_is_written_back_byte_for_byte(text: str) -> None:
    assert str(cmdline.parse(text)) == text


@given(st.text(alphabet=' \t"=-_ab', max_size=60), UNITS)
def test_removing_added_units_restores_the_text_byte_for_byte(text: str, units: list[str]) -> None:
    if cmdline.is_balanced(text):
        assert cmdline.without(cmdline.appended(text, units), units) == text


@given(FOREIGN, UNITS, UNITS)
def test_a_changed_line_is_not_changed_again(text: str, old: list[str], new: list[str]) -> None:
    before = cmdline.appended(text, old)
    after = cmdline.changed(before, old, new)
    assert cmdline.carries(after, new)
    assert cmdline.changed(after, new, new) == after


@given(FOREIGN, UNITS, UNITS)
def test_removing_the_new_units_leaves_the_text_of_others(text: str, old: list[str], new: list[str]) -> None:
    after = cmdline.changed(cmdline.appended(text, old), old, new)
    if after != cmdline.appended(text, old):  # else the line was up to date, in whatever order
        assert cmdline.without(after, new) == text


def test_arguments_are_added_before_the_end_of_the_kernels_part() -> None:
    assert cmdline.appended("ro -- single", ["iommu=pt"]) == "ro iommu=pt -- single"


def test_a_name_inside_another_name_does_not_match() -> None:
    assert not cmdline.has("intel_iommu=on amd_iommu=pt", "iommu=on")
    assert not cmdline.has("amd_iommu=pt", "iommu=pt")
    assert not cmdline.has("iommu=pt1", "iommu=pt")


def test_a_page_size_and_its_count_stay_together_and_in_order() -> None:
    units = cmdline.units(["hugepagesz=1G", "hugepages=8", "hugepagesz=2M hugepages=512", "quiet"])
    assert units == ("hugepagesz=1G hugepages=8", "hugepagesz=2M hugepages=512", "quiet")
    line = cmdline.appended("ro", units)
    assert line == "ro hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=512 quiet"
    assert cmdline.without(line, ["hugepagesz=1G hugepages=8"]) == "ro hugepagesz=2M hugepages=512 quiet"
    assert not cmdline.has("hugepagesz=1G hugepagesz=2M hugepages=8", "hugepagesz=1G hugepages=8")


def test_the_last_occurrence_is_removed() -> None:
    assert cmdline.without("quiet ro quiet", ["quiet"]) == "quiet ro"


def test_order_matters() -> None:
    assert cmdline.carries("a b c", ["a", "c"])
    assert not cmdline.carries("c b a", ["a", "c"])


def test_a_dash_equals_an_underscore_in_names_only() -> None:
    assert cmdline.has("vfio-pci.ids=1:2", "vfio_pci.ids=1:2")
    assert not cmdline.has("a=b-c", "a=b_c")
