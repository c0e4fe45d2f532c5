# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of each request: never further than what the machine shows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import (
    HostPlan,
    HostRecord,
    RequestState,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import plan_host
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_states import (
    CommandLines,
    Observed,
    all_active,
    request_states,
)
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

GPU = "devices: [{name: gpu, select: {address: '0000:41:00.0'}}]"
GATE = "intel_iommu=on vfio_workstation=1"


def bound(driver: str) -> Machine:
    functions = {
        address: function._replace(driver=driver if address.startswith("0000:41") else function.driver)
        for address, function in DESKTOP.items()
    }
    return machine(functions, iommu_kind="intel", cmdline=f"ro {GATE}")


def states_of(host: Machine, text: str, lines: CommandLines, **pending: set[str]) -> list[RequestState]:
    desired = parse_desired(yaml.safe_load(text))
    assert isinstance(desired, Desired), desired
    plan = plan_host(host, desired, HostRecord())
    assert isinstance(plan, HostPlan), plan
    effects = {section: frozenset(effects) for section, effects in pending.items()}
    return list(request_states(host, desired, plan, Observed(lines, effects, {"kvm.ignore_msrs": "Y"})))


def lines(entry: str, running: str | None, *, configured: bool = True, **owners: tuple[str, ...]) -> CommandLines:
    return CommandLines(configured, owners, (entry,), running)


STATES: dict[str, tuple[Any, ...]] = {
    "everything applied and booted": ("vfio-pci", lines(GATE, GATE), {}, (True, True, True)),
    "before the reboot": ("nouveau", lines(GATE, "ro"), {}, (True, True, False)),
    "bound by hand before the reboot": ("vfio-pci", lines(GATE, "ro"), {}, (True, True, False)),
    "another driver claimed it": ("nouveau", lines(GATE, GATE), {}, (True, True, False)),
    "an entry lacks the arguments": ("vfio-pci", lines("ro", GATE), {}, (True, False, True)),
    "an image lacks the rule": ("vfio-pci", lines(GATE, GATE), {"devices": {"staged"}}, (True, False, True)),
    "a hook lacks the rule": ("vfio-pci", lines(GATE, GATE), {"devices": {"configured"}}, (False, False, True)),
    "nothing applied": ("nouveau", lines("ro", "ro", configured=False), {}, (False, False, False)),
    "another section is not configured": (
        "vfio-pci",
        lines(GATE, GATE, configured=False, devices=tuple(GATE.split())),
        {},
        (True, True, True),
    ),
    "running command line unknown": ("vfio-pci", lines(GATE, None), {}, (True, True, None)),
}


@pytest.mark.parametrize("name", STATES)
def test_a_device(name: str) -> None:
    driver, command_lines, pending, states = STATES[name]
    (device,) = states_of(bound(driver), GPU, command_lines, **pending)
    assert (device.configured, device.staged, device.active) == states
    assert (device.section, device.name) == ("devices", "gpu")
    assert driver in device.now
    assert "0000:41:00.0, 0000:41:00.1 on vfio-pci" in device.requested


@pytest.mark.parametrize(("running", "active"), [(GATE, True), ("ro", False)])
def test_a_device_that_appears_later_is_active_when_it_would_be_bound(running: str, active: bool) -> None:
    desired = parse_desired(yaml.safe_load(GPU))
    assert isinstance(desired, Desired), desired
    plan = plan_host(bound("nouveau"), desired, HostRecord())
    assert isinstance(plan, HostPlan), plan
    without = machine({address: other for address, other in DESKTOP.items() if not address.startswith("0000:41")})
    (device,) = request_states(without, desired, plan, Observed(lines(GATE, running), {}, {}))
    assert device.now == "0000:41:00.0 absent, 0000:41:00.1 absent"
    assert device.active is active


def test_each_size_of_huge_pages_by_its_own_arguments() -> None:
    text = "hugepages: [{size: 1G, count: 2, nodes: null}, {size: 2M, count: 0x0, nodes: null, at: run}]"
    large, small = states_of(bound("x"), text.replace("0x0", "4"), lines("hugepagesz=1G hugepages=2", "ro"))
    assert (large.name, large.staged, large.active) == ("1G", True, False)
    assert (small.name, small.staged, small.active) == ("2M", True, False)
    assert small.now == "0 pages"


def test_the_iommu_is_active_when_it_is_enabled() -> None:
    (iommu,) = states_of(bound("x"), "iommu: {}", lines("intel_iommu=on", "intel_iommu=on"))
    assert (iommu.now, iommu.active) == ("enabled (intel)", True)


def test_kvm_options_custom_arguments_and_access() -> None:
    text = "{kvm: {ignore_msrs: true}, arguments: [quiet, loglevel=3], access: {group: kvm}}"
    access, kvm, arguments = states_of(bound("x"), text, lines("quiet loglevel=3", "quiet"), access={"configured"})
    assert (kvm.now, kvm.active) == ("kvm.ignore_msrs is Y", True)
    assert (arguments.now, arguments.staged, arguments.active) == ("quiet", True, False)
    assert (access.requested, access.configured, access.active) == ("group kvm may open VFIO devices", False, False)


@pytest.mark.parametrize(
    ("pending", "now", "active"), [({"configured"}, "not set up", False), (set(), "isolated while guests run", True)]
)
def test_cpus_that_a_unit_isolates_are_active_once_it_is_installed(pending: set[str], now: str, active: bool) -> None:
    (cpus,) = states_of(bound("x"), "cpu_isolation: {cpus: auto}", lines("ro", "ro"), cpu_isolation=pending)
    assert (cpus.now, cpus.active) == (now, active)


@pytest.mark.parametrize(
    ("states", "arguments_active", "active"),
    [([], True, True), ([], False, False), ([True, None], True, None), ([None, False], True, False)],
)
def test_together_they_are_active_when_all_are(
    states: list[bool | None], arguments_active: bool, active: bool | None
) -> None:
    requests = [RequestState("iommu", "", "", "", configured=True, staged=True, active=state) for state in states]
    assert all_active(requests, arguments_active) is active
