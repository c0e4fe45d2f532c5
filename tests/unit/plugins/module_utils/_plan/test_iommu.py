# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel arguments that enable the IOMMU, and why it can't be enabled."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.argument_rules import argument_notes
from ansible_collections.vfio.workstation.plugins.module_utils._plan.iommu import (
    iommu_arguments,
    iommu_refusals,
    virtualization_refusals,
)
from ansible_collections.vfio.workstation.tests.machines.values import machine


@pytest.mark.parametrize(
    ("kind", "state", "cmdline", "arguments"),
    [
        ("intel", "disabled_in_kernel", "ro quiet", ("intel_iommu=on",)),
        ("intel", "enabled", "ro intel_iommu=on", ("intel_iommu=on",)),  # it may be enabled because of the argument
        ("intel", "enabled", "ro intel_iommu=sm_on,on", ("intel_iommu=on",)),
        ("intel", "enabled", "ro quiet", ()),  # enabled by default
        ("intel", "enabled", "ro xintel_iommu=on", ()),
        ("amd", "enabled", "ro", ()),
        ("amd", "disabled_in_kernel", "ro amd_iommu=off", ()),
        ("smmu", "enabled", "ro", ()),
        (None, "unknown", "ro", ()),
    ],
)
@pytest.mark.parametrize("pass_through", [False, True])
def test_arguments(kind: str | None, state: str, cmdline: str, arguments: tuple[str, ...], pass_through: bool) -> None:
    host = machine(iommu_kind=kind, iommu_state=state, cmdline=cmdline)
    required = iommu_arguments(host, pass_through=pass_through)
    assert required == (*arguments, *(["iommu=pt"] if pass_through else []))
    assert argument_notes(required) == ()


@pytest.mark.parametrize(
    ("kind", "state", "cmdline", "code"),
    [
        ("intel", "enabled", "ro", None),
        ("intel", "disabled_in_kernel", "ro", None),
        ("intel", "disabled_in_kernel", "ro intel_iommu=on", "iommu_disabled_in_kernel"),
        # A contradicting argument is refused as cmdline_conflict instead.
        ("intel", "disabled_in_kernel", "ro intel_iommu=on iommu=off", None),
        ("amd", "disabled_in_kernel", "ro amd_iommu=off", None),
        ("amd", "disabled_in_kernel", "ro", "iommu_disabled_in_kernel"),
        ("amd", "absent", "ro", "iommu_absent"),
        ("amd", "disabled_by_firmware", "ro", "iommu_disabled_by_firmware"),
        (None, "unknown", "ro", "iommu_unknown"),
    ],
)
def test_refusals(kind: str | None, state: str, cmdline: str, code: str | None) -> None:
    refusals = list(iommu_refusals(machine(iommu_kind=kind, iommu_state=state, cmdline=cmdline)))
    assert [refusal.code for refusal in refusals] == ([code] if code else [])
    assert all("as the test says" in refusal.seen for refusal in refusals)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("ready", None),
        ("module_not_loaded", None),
        ("unknown", None),
        ("unsupported", "cpu_virtualization_unsupported"),
        ("disabled_by_firmware", "cpu_virtualization_disabled_by_firmware"),
    ],
)
def test_a_processor_without_virtualization_is_refused(state: str, code: str | None) -> None:
    refusals = virtualization_refusals(machine(virtualization_state=state))
    assert [refusal.code for refusal in refusals] == ([code] if code else [])
