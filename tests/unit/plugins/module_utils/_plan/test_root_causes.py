# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals with the same root cause."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import refuse
from ansible_collections.vfio.workstation.plugins.module_utils._plan.root_causes import with_root_causes
from tests.machines.values import machine

IN_USE = refuse("device_in_use", "the disk")
NO_CPU, NO_IOMMU = refuse("cpu_virtualization_unsupported", "no VT-x"), refuse("iommu_absent", "no IOMMU")
NO_GROUPS = refuse("iommu_unknown", "no groups")
CPU_OFF = refuse("cpu_virtualization_disabled_by_firmware", "AMD-V is off")
IOMMU_OFF = refuse("iommu_disabled_by_firmware", "no table")


def guest(hypervisor: str | None, iommu_state: str = "absent") -> Machine:
    host = machine(iommu_state=iommu_state, virtualization_state="unsupported")
    return host._replace(cpu=host.cpu._replace(hypervisor=hypervisor))


def codes(refusals: tuple[Refusal, ...]) -> list[tuple[str, str | None]]:
    return [(refusal.code, refusal.because) for refusal in refusals]


@pytest.mark.parametrize(
    ("host", "refusals", "expected", "words"),
    [
        (
            guest("kvm"),
            (IN_USE, NO_IOMMU, NO_CPU),
            [("iommu_absent", None), ("cpu_virtualization_unsupported", "iommu_absent"), ("device_in_use", None)],
            ("(kvm)", "nested virtualization"),
        ),
        (
            guest("xen", "unknown"),
            (NO_GROUPS, NO_CPU),
            [("iommu_unknown", None), ("cpu_virtualization_unsupported", "iommu_unknown")],
            ("(xen)", "boot the kernel without Xen"),
        ),
        (
            machine(iommu_state="disabled_by_firmware", virtualization_state="disabled_by_firmware"),
            (IOMMU_OFF, IN_USE, CPU_OFF),
            [
                ("cpu_virtualization_disabled_by_firmware", None),
                ("iommu_disabled_by_firmware", "cpu_virtualization_disabled_by_firmware"),
                ("device_in_use", None),
            ],
            ("disabled in firmware", "SVM Mode", "AMD-Vi"),
        ),
    ],
)
def test_the_cause_is_first_and_named_once(
    host: Machine, refusals: tuple[Refusal, ...], expected: list[tuple[str, str | None]], words: tuple[str, ...]
) -> None:
    caused = with_root_causes(host, refusals)
    assert codes(caused) == expected
    assert all(word in caused[0].seen + caused[0].remedy for word in words)
    # What was found for the others stays, for programs.
    assert caused[1].seen in {refusal.seen for refusal in refusals}


@pytest.mark.parametrize(
    ("host", "refusals"),
    [
        (guest(None), (NO_IOMMU, NO_CPU)),  # a processor and a board: each is a reason of its own
        (guest("kvm"), (NO_IOMMU,)),
        (guest("kvm"), (NO_CPU, IN_USE)),
        (machine(), (CPU_OFF,)),
        (machine(), (IN_USE,)),
        (machine(), ()),
    ],
)
def test_a_refusal_without_the_others_stands_by_itself(host: Machine, refusals: tuple[Refusal, ...]) -> None:
    assert with_root_causes(host, refusals) == refusals


@pytest.mark.parametrize(
    ("accept", "refused"),
    [
        ([], ["iommu_absent", "cpu_virtualization_unsupported"]),
        (["iommu_absent"], ["cpu_virtualization_unsupported"]),
        (["cpu_virtualization_unsupported"], ["iommu_absent"]),
        (["iommu_absent", "cpu_virtualization_unsupported"], []),
    ],
)
def test_each_code_is_overridden_by_itself(accept: list[str], refused: list[str]) -> None:
    request = {"devices": [{"name": "gpu", "select": {"address": "0000:41:00.0"}}], "accept": accept}
    desired = parse_desired(request)
    assert isinstance(desired, Desired)
    plan = plan_host(guest("kvm"), desired, HostRecord())
    if isinstance(plan, HostPlan):
        assert not refused
        return
    assert [refusal.code for refusal in plan] == refused
    assert plan[0].because is None
    assert plan[-1].because == (refused[0] if len(refused) > 1 else None)
