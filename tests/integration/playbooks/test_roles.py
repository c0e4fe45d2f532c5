# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each role calls the module once, and with its own section only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Fleet

GPU = [{"name": "gpu", "select": {"class": "display", "boot_display": False}}]
PAGES = [{"size": "1G", "memory": "16G", "nodes": None}]
SECTIONS = ("iommu", "devices", "hugepages", "cpu_isolation", "access", "kvm", "arguments", "memory_for_host")
WITH: dict[str, dict[str, Any]] = {
    "iommu": {"iommu_pass_through": True},
    "vfio_pci": {"vfio_pci_devices": GPU},
    "hugepages": {"hugepages_sizes": PAGES, "hugepages_memory_for_host": "4G"},
    "cpu_isolation": {"cpu_isolation_cpus": "2-7,10"},
    "bootloader": {"bootloader_arguments": ["a=b", "c"], "bootloader_conflicts": "replace"},
}
CALLED: dict[str, dict[str, Any]] = {
    "iommu": {"iommu": {"pass_through": True}},
    "vfio_pci": {"devices": GPU},
    "hugepages": {"hugepages": PAGES, "memory_for_host": "4G"},
    "cpu_isolation": {"cpu_isolation": {"cpus": "2-7,10", "keep_for_host": None, "count": None, "mode": "dynamic"}},
    "bootloader": {"arguments": ["a=b", "c"]},
}
GONE = {
    "iommu": ["iommu"],
    "vfio_pci": ["devices", "access"],
    "hugepages": ["hugepages"],
    "cpu_isolation": ["cpu_isolation"],
    "bootloader": ["arguments"],
}


def playbook(fleet: Fleet, *roles: dict[str, Any]) -> str:
    path = Path(fleet.folder("playbook.yml"))
    path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "roles": list(roles)}]), encoding="utf-8")
    return str(path)


def requested(call: dict[str, Any]) -> dict[str, Any]:
    return {name: call[name] for name in SECTIONS if call[name] is not None}


def test_each_role_alone(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    roles = [{"role": f"vfio.workstation.{role}", "vars": variables} for role, variables in WITH.items()]
    run = fleet.run(playbook(fleet, *roles))
    assert run.status == 0, run.output
    calls = fleet.calls("ws1")
    assert [requested(call) for call in calls] == list(CALLED.values())
    assert [call["conflicts"] for call in calls] == ["refuse"] * 4 + ["replace"]


def test_each_role_removes_its_own_section(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    roles = [
        {"role": f"vfio.workstation.{role}", "vars": {**variables, f"{role}_state": "absent"}}
        for role, variables in WITH.items()
    ]
    run = fleet.run(playbook(fleet, *roles))
    assert run.status == 0, run.output
    calls = fleet.calls("ws1")
    assert [(call["state"], call["sections"], requested(call)) for call in calls] == [
        ("absent", sections, {}) for sections in GONE.values()
    ]


def test_null_leaves_a_section_unmanaged(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    names = ("vfio_pci", "hugepages", "bootloader", "workstation")
    run = fleet.run(playbook(fleet, *({"role": f"vfio.workstation.{name}"} for name in names)))
    assert run.status == 0, run.output
    assert [requested(call) for call in fleet.calls("ws1")] == [{}] * 4


def test_the_role_workstation_has_all_sections_in_one_call(fleet: Fleet) -> None:
    sections: dict[str, Any] = {
        "iommu": {},
        "devices": [],
        "hugepages": PAGES,
        "cpu_isolation": {},
        "access": {"group": "kvm"},
        "kvm": {"nested": True},
        "arguments": ["a=b"],
        "memory_for_host": "4G",
    }
    fleet.add("ws1", {f"workstation_{name}": value for name, value in sections.items()})
    run = fleet.run(playbook(fleet, {"role": "vfio.workstation.workstation"}), workstation_accept=["device_in_use"])
    assert run.status == 0, run.output
    (call,) = fleet.calls("ws1")
    assert requested(call) == sections  # an empty section is a request
    assert call["accept"] == ["device_in_use"]


@pytest.mark.parametrize("trial", [True, None])
def test_a_trial_waits_for_the_controller_which_confirms_it(fleet: Fleet, trial: bool | None) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "workstation_trial": trial})
    play = playbook(fleet, {"role": "vfio.workstation.workstation"})
    run = fleet.run(play, workstation_reboot="when_required", workstation_reboot_timeout=2)
    assert run.status == 0, run.output
    state = fleet.state("ws1")
    assert state["reboots"] == 1
    assert (state.get("awaited"), state.get("confirmed")) == ((0, True) if trial else (None, None))
    calls = [(call["check"], call["trial"]) for call in fleet.calls("ws1")]
    assert calls == ([(False, True), (False, True)] if trial else [(False, None), (True, None)])


@pytest.mark.parametrize("consent", ["never", "when_required"])
def test_the_role_alone_reboots_with_consent(fleet: Fleet, consent: str) -> None:
    fleet.add("ws1")
    run = fleet.run(playbook(fleet, {"role": "vfio.workstation.workstation"}), workstation_reboot=consent)
    assert run.status == 0, run.output
    assert fleet.state("ws1")["running"] == (consent == "when_required")


def test_preflight_alone_reports_refusals_and_fails(fleet: Fleet) -> None:
    refusal = {"code": "iommu_absent", "seen": "no IOMMU", "danger": "Guests could write.", "remedy": "Buy a board."}
    fleet.add("ws1", refusals=[refusal])
    fleet.add("ws2")
    run = fleet.run(playbook(fleet, {"role": "vfio.workstation.preflight"}))
    assert run.status != 0
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 1, "ws2": 0}
    assert "What to do: Buy a board." in run.printed("vfio.workstation.preflight : Report refusals")
    assert not fleet.state("ws2")["files"]
