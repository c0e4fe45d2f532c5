# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each request has come: never further than what is seen."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostPlan, HostRecord, Row
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.rows import Lines, Seen, all_active, rows
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

GPU = "devices: [{name: gpu, select: {address: '0000:41:00.0'}}]"
GATE = "intel_iommu=on vfio_workstation=1"


def bound(driver: str) -> Machine:
    functions = {
        address: one._replace(driver=driver if address.startswith("0000:41") else one.driver)
        for address, one in DESKTOP.items()
    }
    return machine(functions, iommu_kind="intel", cmdline=f"ro {GATE}")


def seen(host: Machine, text: str, lines: Lines, **pending: set[str]) -> list[Row]:
    desired = parse_desired(yaml.safe_load(text))
    assert isinstance(desired, Desired), desired
    plan = plan_host(host, desired, HostRecord())
    assert isinstance(plan, HostPlan), plan
    effects = {section: frozenset(effects) for section, effects in pending.items()}
    return list(rows(host, desired, plan, Seen(lines, effects, {"kvm.ignore_msrs": "Y"})))


def lines(entries: str, running: str | None, *, configured: bool = True, **owners: tuple[str, ...]) -> Lines:
    return Lines(configured, owners, (entries,), running)


STATES: dict[str, tuple[Any, ...]] = {
    "all of it": ("vfio-pci", lines(GATE, GATE), {}, (True, True, True)),
    "before the reboot": ("nouveau", lines(GATE, "ro"), {}, (True, True, False)),
    "bound by hand": ("vfio-pci", lines(GATE, "ro"), {}, (True, True, False)),
    "another driver was quicker": ("nouveau", lines(GATE, GATE), {}, (True, True, False)),
    "an entry lacks it": ("vfio-pci", lines("ro", GATE), {}, (True, False, True)),
    "an image lacks it": ("vfio-pci", lines(GATE, GATE), {"devices": {"staged"}}, (True, False, True)),
    "a hook lacks it": ("vfio-pci", lines(GATE, GATE), {"devices": {"configured"}}, (False, False, True)),
    "nothing yet": ("nouveau", lines("ro", "ro", configured=False), {}, (False, False, False)),
    "another section's is due": (
        "vfio-pci",
        lines(GATE, GATE, configured=False, devices=tuple(GATE.split())),
        {},
        (True, True, True),
    ),
    "nobody can tell": ("vfio-pci", lines(GATE, None), {}, (True, True, None)),
}


@pytest.mark.parametrize("name", STATES)
def test_a_device(name: str) -> None:
    driver, of_lines, pending, states = STATES[name]
    (row,) = seen(bound(driver), GPU, of_lines, **pending)
    assert (row.configured, row.staged, row.active) == states
    assert (row.section, row.name) == ("devices", "gpu")
    assert driver in row.now
    assert "0000:41:00.0, 0000:41:00.1 on vfio-pci" in row.wanted


def test_each_size_of_huge_pages_by_its_own_arguments() -> None:
    text = "hugepages: [{size: 1G, count: 2, nodes: null}, {size: 2M, count: 0x0, nodes: null, at: run}]"
    one, other = seen(bound("x"), text.replace("0x0", "4"), lines("hugepagesz=1G hugepages=2", "ro"))
    assert (one.name, one.staged, one.active) == ("1G", True, False)
    assert (other.name, other.staged, other.active) == ("2M", True, False)
    assert other.now == "0 pages"


def test_the_iommu_is_on_when_it_is_seen_on() -> None:
    (row,) = seen(bound("x"), "iommu: {}", lines("intel_iommu=on", "intel_iommu=on"))
    assert (row.now, row.active) == ("enabled (intel)", True)


def test_kvm_as_the_kernel_has_it_and_arguments_of_ones_own() -> None:
    text = "{kvm: {ignore_msrs: true}, arguments: [quiet, loglevel=3], access: {group: kvm}}"
    access, kvm, own = seen(bound("x"), text, lines("quiet loglevel=3", "quiet"), access={"configured"})
    assert (kvm.now, kvm.active) == ("kvm.ignore_msrs is Y", True)
    assert (own.now, own.staged, own.active) == ("quiet", True, False)
    assert (access.wanted, access.configured, access.active) == ("group kvm opens devices", False, False)


@pytest.mark.parametrize(
    ("pending", "now", "active"), [({"configured"}, "not set up", False), (set(), "kept apart while guests run", True)]
)
def test_cpus_that_a_unit_keeps_apart_are_ready_once_it_is_there(pending: set[str], now: str, active: bool) -> None:
    (row,) = seen(bound("x"), "cpu_isolation: {cpus: auto}", lines("ro", "ro"), cpu_isolation=pending)
    assert (row.now, row.active) == (now, active)


@pytest.mark.parametrize(
    ("states", "gone", "active"),
    [([], True, True), ([], False, False), ([True, None], True, None), ([None, False], True, False)],
)
def test_together_they_are_as_far_as_the_last(states: list[bool | None], gone: bool, active: bool | None) -> None:
    found = [Row("iommu", "", "", "", configured=True, staged=True, active=state) for state in states]
    assert all_active(found, gone=gone) is active
