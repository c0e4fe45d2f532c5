# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which arguments contradict each other."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.argument_rules import (
    CONTRADICTORY,
    KINDS,
    contradiction,
    mistakes,
)

BOTH_WAYS = [
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
PEACEFUL = [
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


@pytest.mark.parametrize(("one", "other"), BOTH_WAYS)
def test_contradictions_are_seen_from_both_sides_with_their_source(one: str, other: str) -> None:
    for reason in (contradiction(one, other), contradiction(other, one)):
        assert reason is not None
        assert "(" in reason


@pytest.mark.parametrize(("one", "other"), PEACEFUL)
def test_what_gets_along_is_let_alone(one: str, other: str) -> None:
    assert contradiction(one, other) is None
    assert contradiction(other, one) is None


def test_every_row_has_a_source() -> None:
    assert all(kind.source for kind in KINDS.values())
    assert all(source for _one, _other, source in CONTRADICTORY)


def test_mistaken_arguments_are_named() -> None:
    assert "no option" in mistakes(["amd_iommu=on"])[0]
    assert "isolated" in mistakes(["pcie_acs_override=downstream,multifunction"])[0]
    assert mistakes(["amd_iommu=force_isolation", "iommu=pt"]) == ()
