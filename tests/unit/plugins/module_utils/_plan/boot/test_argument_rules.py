# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which arguments contradict each other."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.argument_rules import (
    CONTRADICTORY,
    REPETITIONS,
    argument_notes,
    contradiction,
)

CONTRADICTIONS = [
    ("intel_iommu=on", "intel_iommu=off"),
    ("intel_iommu=on", "iommu=off"),
    ("intel_iommu=on,sm_on", "intel_iommu=sm_off"),
    ("iommu=pt", "iommu=nopt"),
    ("iommu=pt", "iommu=soft,off"),
    ("amd_iommu=force_isolation", "amd_iommu=off"),
    ("vfio_workstation=1", "amd_iommu=off"),
    ("hugepagesz=1G hugepages=8", "hugepagesz=1G hugepages=4"),
    ("hugepagesz=1G hugepages=8", "hugepagesz=1024M hugepages=8"),
    ("hugepagesz=1G hugepages=8", "hugepages=512"),
    ("default_hugepagesz=1G", "hugepages=512"),
    ("default_hugepagesz=1G", "default_hugepagesz=2M"),
    ("isolcpus=2-7", "isolcpus=4-7"),
    ("nohz_full=2-7", "nohz=off"),
    ("mitigations=off", "mitigations=auto"),
    ("vfio-pci.ids=10de:1b80", "vfio_pci.ids=10de:1b81"),
    ("quiet", "quiet=1"),
]
COMPATIBLE = [
    ("intel_iommu=on", "intel_iommu=on"),
    ("intel_iommu=on", "intel_iommu=igfx_off"),
    ("intel_iommu=on", "iommu=pt"),
    ("intel_iommu=on", "amd_iommu=off"),
    ("iommu=pt", "iommu=soft"),
    ("amd_iommu=off", "amd_iommu=off"),
    ("console=tty0", "console=ttyS0"),
    ("hugepagesz=1G hugepages=8", "hugepagesz=2M hugepages=512"),
    ("hugepagesz=1G hugepages=8", "default_hugepagesz=1G"),
    ("modprobe.blacklist=nouveau", "modprobe.blacklist=nvidia"),
    ("isolcpus=2-7", "nohz_full=2-7"),
    ("quiet", "ro"),
]


@pytest.mark.parametrize(("unit", "other"), CONTRADICTIONS)
def test_contradictions_are_found_in_either_order_with_their_source(unit: str, other: str) -> None:
    for reason in (contradiction(unit, other), contradiction(other, unit)):
        assert reason is not None
        assert "(" in reason


@pytest.mark.parametrize(("unit", "other"), COMPATIBLE)
def test_compatible_units_are_left_alone(unit: str, other: str) -> None:
    assert contradiction(unit, other) is None
    assert contradiction(other, unit) is None


# As memparse() reads them: a number, decimal, octal after 0 or hexadecimal after 0x, and one letter.
PAGE_SIZES = [
    ("1GB", "1G"),
    ("1GiB", "1G"),
    ("1g", "1G"),
    ("1Gigabyte", "1G"),
    ("1024M", "1G"),
    ("1048576kB", "1G"),
    ("1073741824", "1G"),
    ("1073741824B", "1G"),
    ("0x40000000", "1G"),
    ("0X400MB", "1G"),
    ("010000000000", "1G"),
    ("02000M", "1G"),
    ("2MB", "2M"),
    ("2048KiB", "2M"),
    ("0x2M", "2M"),
    ("1TB", "1024G"),
    ("1PiB", "1024T"),
    ("1EB", "1024P"),
    ("1MG", "1M"),  # only one letter counts
    ("08G", "0"),  # octal, so the number ends before the 8
    ("18014398509481985K", "1K"),  # 64 bits overflow
]
OTHER_PAGE_SIZES = [
    ("1MB", "1G"),
    ("1GB", "2M"),
    ("10G", "1G"),
    ("08G", "8G"),
    ("0x1E", "1E"),  # 30, not exabytes
    ("0xG", "1G"),  # octal 0, without a digit after the x
    ("B1G", "1G"),
    ("1.5G", "1G"),
]


def pages(size: str, count: int) -> str:
    return f"hugepagesz={size} hugepages={count}"


@pytest.mark.parametrize(("size", "same"), PAGE_SIZES)
def test_page_sizes_are_compared_as_the_kernel_reads_them(size: str, same: str) -> None:
    for reason in (contradiction(pages(size, 6), pages(same, 8)), contradiction(pages(same, 8), pages(size, 6))):
        assert reason is not None
        assert "page size" in reason


@pytest.mark.parametrize(("size", "other"), OTHER_PAGE_SIZES)
def test_page_sizes_that_the_kernel_tells_apart_are_compatible(size: str, other: str) -> None:
    assert contradiction(pages(size, 6), pages(other, 8)) is None
    assert contradiction(pages(other, 8), pages(size, 6)) is None


def test_a_number_of_any_length_is_a_page_size() -> None:
    assert contradiction(pages("9" * 10000, 6), pages("1G", 8)) is None


def test_every_row_has_a_source() -> None:
    assert all(repetition.source for repetition in REPETITIONS.values())
    assert all(source for _word, _other, source in CONTRADICTORY)


def test_arguments_with_a_caveat_get_a_note() -> None:
    assert "no such option" in argument_notes(["amd_iommu=on"])[0]
    assert "isolated" in argument_notes(["pcie_acs_override=downstream,multifunction"])[0]
    assert argument_notes(["amd_iommu=force_isolation", "iommu=pt"]) == ()
