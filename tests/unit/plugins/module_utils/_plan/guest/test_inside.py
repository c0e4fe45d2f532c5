# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running guest lacks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import WINDOWS11, GuestRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_inside import (
    GuestCpus,
    GuestFunction,
    GuestInside,
    GuestProcess,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import parse_xml
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import plan_present
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.inside import Look, judge

from .test_domain import after, guest, host

CPUS = GuestCpus(12, 6, 1)


def look(request: GuestRequest | None = None, process: GuestProcess | None = None, **changes: Any) -> Look:
    """Look into a guest that is as planned, but for the changes to what it reports."""
    request = request if request is not None else guest(WINDOWS11, devices=("gpu", "nic"))
    base = host()
    change = plan_present(base, request, None)
    assert change.plan is not None
    functions = tuple(
        GuestFunction(base.machine.pci[address].vendor or "", base.machine.pci[address].device or "", "driver")
        for addresses in change.plan.devices.values()
        for address in addresses
    )
    inside = GuestInside(functions, CPUS, True, True, False)._replace(**changes)
    return judge(base.machine, request, change.plan, after(change), inside=inside, process=process)


def seen(found: Look) -> list[str]:
    return [f"{finding.code}: {finding.seen}" for finding in found.findings]


def test_a_guest_as_planned() -> None:
    assert look() == Look({"gpu": True, "nic": True})


def test_what_the_plan_pins() -> None:
    request = guest(WINDOWS11)
    plan = plan_present(host(), request, None).plan
    assert plan is not None
    right = {vcpu: (cpu,) for vcpu, cpu in enumerate(plan.pins)}
    assert look(request, GuestProcess(right, 1 << 30)).findings == ()
    assert look(request, GuestProcess(right, None)).findings == ()
    (finding,) = look(request, GuestProcess({**right, 1: (0, 1, 2)}, 4096)).findings
    assert finding.seen == f"g: the host may run vCPU 1 on 0-2 (planned: {plan.pins[1]})"


def test_the_pages_of_the_memory() -> None:
    change = plan_present(host(), guest(), None)
    assert change.plan is not None
    backed = parse_xml("<domain><memoryBacking><hugepages/></memoryBacking></domain>")
    for domain, size, count in ((backed, 4096, 1), (backed, 2 << 20, 0), (backed, None, 0), (after(change), 4096, 0)):
        process = GuestProcess({}, size)
        found = judge(host().machine, guest(), change.plan, domain, inside=None, process=process)
        words = ["guest_not_as_planned: g: its memory is on pages of 4K, and huge pages are planned"]
        assert seen(found) == words * count


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpus": GuestCpus(12, 12, 12)}, "12 CPUs on 12 cores of 12 packages, and 12 CPUs on 6 cores of 1 packages"),
        ({"secure_boot": False}, "Secure Boot is not in effect in the guest"),
        ({"tpm": False}, "the TPM is not in effect in the guest"),
    ],
)
def test_what_differs_in_the_system(changes: dict[str, Any], words: str) -> None:
    (finding,) = look(**changes).findings
    assert finding.code == "guest_not_as_planned"
    assert words in finding.seen


def test_virtualization_based_security() -> None:
    assert look(virtualization_based_security=True).notes
    assert look(cpus=None, secure_boot=None, tpm=None, virtualization_based_security=None).findings == ()


def test_devices() -> None:
    base = host()
    of_gpu = [base.machine.pci[address] for address in ("0000:41:00.0", "0000:41:00.1")]
    gpu, audio = (GuestFunction(f.vendor or "", f.device or "", "driver") for f in of_gpu)
    request = guest(WINDOWS11)
    ids = f"{gpu.vendor}:{gpu.device}"
    assert look(request, functions=(audio._replace(driver=None), gpu)).works == {"gpu": True}
    missing = look(request, functions=(audio,))
    assert (missing.works, seen(missing)) == (
        {"gpu": False},
        [f"guest_device_missing: g: gpu ({ids}) is not in the guest"],
    )
    bare = look(request, functions=(gpu._replace(driver=None), audio))
    assert seen(bare) == [f"guest_device_fails: g: gpu ({ids}) has no driver in the guest"]
    for code in (43, 12, 999):
        (finding,) = look(request, functions=(gpu._replace(problem=code), audio)).findings
        assert f"Windows reports the problem code {code}: " in finding.seen
        assert finding.remedy


def test_twins_are_counted() -> None:
    base = host()
    function = base.machine.pci["0000:41:00.0"]
    one = GuestFunction(function.vendor or "", function.device or "", "driver")
    plan = plan_present(base, guest(), None)
    assert plan.plan is not None
    both = plan.plan._replace(devices={"first": ("0000:41:00.0",), "second": ("0000:41:00.0",)})
    found = judge(base.machine, guest(), both, after(plan), inside=GuestInside((one,)), process=None)
    assert found.works == {"first": True, "second": False}


def test_without_an_agent() -> None:
    base, change = host(), plan_present(host(), guest(), None)
    assert change.plan is not None
    found = judge(base.machine, guest(), change.plan, after(change), inside=None, process=None)
    assert (found.works, found.findings) == ({}, ())
    assert "does not answer" in found.notes[0]
