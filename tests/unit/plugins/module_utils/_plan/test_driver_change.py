# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one function may be handed over while the machine runs, and by which steps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Keyboard, Machine, Use
from ansible_collections.vfio.workstation.plugins.module_utils._machine.driver_change import (
    AUTO,
    NONE,
    DriverModule,
    DriverRequest,
    FunctionDrivers,
    LoadDriver,
    SetAttribute,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.iommu import ReservedRegion
from ansible_collections.vfio.workstation.plugins.module_utils._machine.kernel_module import LOADABLE, MISSING
from ansible_collections.vfio.workstation.plugins.module_utils._plan.driver_change import (
    ACCEPTABLE,
    UNCLAIMED,
    DriverPlan,
    group_of,
    hanging_refusal,
    missing_refusal,
    plan_driver_change,
    with_driver,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import CODES
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

NIC, GPU, GPU_AUDIO, DISK, BRIDGE = "0000:03:00.0", "0000:41:00.0", "0000:41:00.1", "0000:02:00.0", "0000:00:03.1"
DISPLAY = "0000:0d:00.0"
READY = FunctionDrivers(None, "pci:v000010ECd00008125", (DriverModule("r8169", True),), ("r8169",), True, None)


def live(**changes: Any) -> FunctionDrivers:
    return READY._replace(**changes)


def on(address: str, driver: str | None, **changes: Any) -> Machine:
    return machine({**DESKTOP, address: DESKTOP[address]._replace(driver=driver, **changes)})


def shown(plan: DriverPlan) -> list[str]:
    """Return the steps as one would type them in a shell."""
    return [
        " ".join(step.argv)
        if isinstance(step, LoadDriver)
        else f"{step.value} > {step.path.removeprefix('/sys/bus/pci/')}"
        for step in plan.steps
    ]


OVERRIDE = f"devices/{NIC}/driver_override"
UNBIND = [f"{NIC} > drivers/r8169/unbind"]
PROBE = [f"{NIC} > drivers_probe"]
RETURN = [f" > {OVERRIDE}", f"{NIC} > drivers/vfio-pci/unbind", *PROBE]
ALIAS = "modprobe -b -- pci:v000010ECd00008125"


@pytest.mark.parametrize(
    ("driver", "override", "requested", "steps"),
    [
        # there and back
        ("r8169", None, "vfio-pci", [f"vfio-pci > {OVERRIDE}", *UNBIND, *PROBE]),
        ("vfio-pci", "vfio-pci", AUTO, RETURN),
        ("vfio-pci", None, AUTO, RETURN[1:]),  # bound by its ids
        ("r8169", None, NONE, [f"none > {OVERRIDE}", *UNBIND]),
        (None, NONE, AUTO, [f" > {OVERRIDE}", *PROBE]),
        (None, None, "vfio-pci", [f"vfio-pci > {OVERRIDE}", *PROBE]),
        ("vfio-pci", "vfio-pci", "r8169", [f"r8169 > {OVERRIDE}", *RETURN[1:]]),
        # nothing to do
        ("vfio-pci", "vfio-pci", "vfio-pci", []),
        ("vfio-pci", None, "vfio-pci", []),
        ("r8169", None, AUTO, []),
        ("r8169", "r8169", "r8169", []),
        (None, NONE, NONE, []),
        # the driver is right, the override is not
        ("r8169", "vfio-pci", "r8169", [f"r8169 > {OVERRIDE}"]),
        ("r8169", "vfio-pci", AUTO, [f" > {OVERRIDE}"]),
        (None, None, NONE, [f"none > {OVERRIDE}"]),
    ],
)
def test_steps(driver: str | None, override: str | None, requested: str, steps: list[str]) -> None:
    plan = plan_driver_change(on(NIC, driver), live(override=override), DriverRequest(NIC, requested))
    assert plan.refusals == ()
    assert shown(plan) == steps


@pytest.mark.parametrize(
    ("requested", "changes", "first"),
    [
        ("vfio-pci", {"registered": False, "module": LOADABLE}, ["modprobe -- vfio-pci"]),
        ("vfio-pci", {"registered": False, "module": None}, ["modprobe -- vfio-pci"]),
        ("vfio-pci", {"registered": True, "module": MISSING}, []),  # built in under another name
        (AUTO, {"modules": (DriverModule("r8169", False),)}, [ALIAS]),
        (AUTO, {"modules": None}, [ALIAS]),
        (AUTO, {"modules": None, "modalias": None}, []),
        (AUTO, {"modules": ()}, []),
    ],
)
def test_drivers_are_loaded_before_the_function_is_unbound(
    requested: str, changes: dict[str, Any], first: list[str]
) -> None:
    current = "vfio-pci" if requested == AUTO else "r8169"
    plan = plan_driver_change(on(NIC, current), live(**changes), DriverRequest(NIC, requested))
    loading = [step for step in plan.steps if isinstance(step, LoadDriver)]
    assert shown(plan)[: len(first)] == first
    assert len(loading) == len(first)
    assert all(step.required == (requested != AUTO) for step in loading)


def test_a_function_that_no_module_claims_is_left_alone_and_returned_without_a_driver() -> None:
    unclaimed = live(modules=(), candidates=())
    assert plan_driver_change(on(NIC, None), unclaimed, DriverRequest(NIC, AUTO)).steps == ()
    plan = plan_driver_change(on(NIC, "vfio-pci"), unclaimed, DriverRequest(NIC, AUTO))
    assert (shown(plan), plan.driver) == (RETURN[1:], None)
    assert UNCLAIMED in plan.notes


def test_the_driver_that_the_kernel_will_pick_is_reported_where_it_is_known() -> None:
    handed_over = on(NIC, "vfio-pci")
    assert plan_driver_change(handed_over, live(override="vfio-pci"), DriverRequest(NIC, AUTO)).driver == "r8169"
    several = live(override="vfio-pci", candidates=("r8125", "r8169"))
    plan = plan_driver_change(handed_over, several, DriverRequest(NIC, AUTO))
    assert plan.driver is None
    assert plan.notes == ("the kernel picks one of these drivers: r8125, r8169",)
    assert plan_driver_change(on(NIC, "r8125"), live(override="x"), DriverRequest(NIC, AUTO)).driver == "r8125"


MOUNT, SESSION = Use("mount", "/", "nvme0n1p2"), Use("ssh_session", "eth0", "eth0")
KEYBOARD, PS2 = Keyboard("K120", "event5", NIC), Keyboard("AT", "event0", None)
CONTROLLER = on(NIC, "xhci_hcd", in_use_by=(Use("keyboard", "K120", "event5"),))
GUEST, PLAYER = Use("virtual_machine", "win11", "vfio/14"), Use("process", "pipewire (7)", "pcmC1D0p")


@pytest.mark.parametrize(
    ("host", "address", "requested", "changes", "code"),
    [
        (machine(), DISK, "vfio-pci", {}, "device_in_use"),
        (on(NIC, "r8169", in_use_by=(SESSION,)), NIC, "vfio-pci", {}, "device_in_use"),
        (on(NIC, "r8169", in_use_by=(SESSION,)), NIC, NONE, {}, "device_in_use"),
        (on(NIC, "r8169", in_use_by=(SESSION,)), NIC, "r8125", {}, "device_in_use"),
        (on(GPU_AUDIO, "snd_hda_intel", in_use_by=(PLAYER,)), GPU_AUDIO, "vfio-pci", {}, "device_in_use"),
        (on(NIC, "vfio-pci", in_use_by=(GUEST,)), NIC, AUTO, {}, "device_in_use"),
        (
            CONTROLLER._replace(keyboards=(KEYBOARD,)),
            NIC,
            "vfio-pci",
            {},
            "device_in_use",
        ),
        (machine(), DISPLAY, "vfio-pci", {}, "device_is_boot_display"),
        (machine(), DISPLAY, NONE, {}, "device_is_boot_display"),
        (on(DISPLAY, None), DISPLAY, "vfio-pci", {}, "device_is_boot_display"),  # on the firmware's framebuffer
        (on(GPU, "nvidia", boot_display=None), GPU, "vfio-pci", {}, "device_is_boot_display"),
        (machine(), BRIDGE, "vfio-pci", {}, "device_not_assignable"),
        (machine(), BRIDGE, NONE, {}, "device_not_assignable"),
        (on(NIC, None, class_="080600"), NIC, "vfio-pci", {}, "device_not_assignable"),
        (machine(), NIC, "vfio-pcy", {"registered": False, "module": MISSING}, "driver_unknown"),
        (machine(iommu_state="absent"), NIC, "vfio-pci", {}, "iommu_absent"),
        (machine(iommu_state="disabled_in_kernel"), NIC, "vfio-pci", {}, "iommu_disabled_in_kernel"),
        (machine(iommu_state="disabled_by_firmware"), NIC, "vfio-pci", {}, "iommu_disabled_by_firmware"),
        (machine(iommu_state="unknown"), NIC, "mlx5-vfio-pci", {}, "iommu_unknown"),
        (on(NIC, "r8169", iommu_group=None), NIC, "vfio-pci", {}, "device_has_no_group"),
    ],
)
def test_refused(host: Machine, address: str, requested: str, changes: dict[str, Any], code: str) -> None:
    request = DriverRequest(address, requested)
    plan = plan_driver_change(host, live(**changes), request)
    assert [refusal.code for refusal in plan.refusals] == [code]
    assert (plan.steps, plan.driver) == ((), host.pci[address].driver)
    accepted = plan_driver_change(host, live(**changes), request, frozenset(CODES))
    assert (accepted.refusals == ()) == (code in ACCEPTABLE)
    assert bool(accepted.steps) == (code in ACCEPTABLE)


@pytest.mark.parametrize(
    ("host", "address", "requested", "override"),
    [
        # the request is fulfilled already
        (on(NIC, "vfio-pci", in_use_by=(GUEST,)), NIC, "vfio-pci", "vfio-pci"),
        (machine(), DISK, AUTO, None),
        (machine(), DISK, AUTO, "vfio-pci"),
        (machine(), BRIDGE, AUTO, "vfio-pci"),
        # another keyboard stays with the host
        (CONTROLLER._replace(keyboards=(KEYBOARD, PS2)), NIC, "vfio-pci", None),
        # returning to the host is always possible
        (on(DISPLAY, "vfio-pci"), DISPLAY, AUTO, "vfio-pci"),
        (on(DISPLAY, "vfio-pci"), DISPLAY, "amdgpu", "vfio-pci"),
        (on(BRIDGE, "vfio-pci"), BRIDGE, AUTO, "vfio-pci"),
        (on(DISPLAY, None), DISPLAY, "amdgpu", None),
        (on(GPU, "nvidia", boot_display=None, class_="030200"), GPU, "vfio-pci", None),
        # other drivers than VFIO's need no IOMMU
        (machine(iommu_state="absent"), NIC, "r8125", None),
        (machine(iommu_state="absent"), NIC, NONE, None),
    ],
)
def test_not_refused(host: Machine, address: str, requested: str, override: str | None) -> None:
    assert plan_driver_change(host, live(override=override), DriverRequest(address, requested)).refusals == ()


def test_a_shared_group_is_a_note_and_no_refusal() -> None:
    plan = plan_driver_change(machine(), READY, DriverRequest(GPU, "vfio-pci"))
    (note,) = plan.notes
    assert note.startswith("IOMMU group 20 is not free yet")
    assert GPU_AUDIO in note
    assert GPU + " " not in note
    half = on(GPU_AUDIO, "vfio-pci")
    assert plan_driver_change(half, READY, DriverRequest(GPU, "vfio-pci")).notes == ()
    assert plan_driver_change(machine(), READY, DriverRequest(GPU, NONE)).notes == ()
    group = group_of(half, GPU)
    assert group is not None
    assert (group.number, group.usable) == ("20", False)
    after = group_of(with_driver(half, GPU, "vfio-pci"), GPU)
    assert after is not None
    assert (after.usable, [tuple(member) for member in after.members]) == (
        True,
        [(GPU, "vfio-pci"), (GPU_AUDIO, "vfio-pci")],
    )
    assert group_of(machine(iommu_state="absent"), GPU) is None


def test_members_that_are_no_pci_functions_are_devices_of_the_host() -> None:
    host = machine()
    groups = dict(host.iommu.groups)
    groups["14"] = groups["14"]._replace(
        members=(NIC, "fe800000.ethernet"), reserved_regions=(ReservedRegion("0x0", "0xf", "direct"),)
    )
    host = host._replace(iommu=host.iommu._replace(groups=groups))
    shared, region = plan_driver_change(host, READY, DriverRequest(NIC, "vfio-pci")).notes
    assert "fe800000.ethernet" in shared
    assert "reserved memory region (RMRR on Intel, IVMD on AMD)" in region


def test_a_missing_function_and_a_hanging_driver_are_refused() -> None:
    assert missing_refusal(machine(), NIC) is None
    refusal = missing_refusal(machine(), "0000:41:00.7")
    assert refusal is not None
    assert refusal.code == "device_not_found"
    assert GPU_AUDIO in refusal.seen
    assert "the closest are:" in refusal.seen
    nothing_close = missing_refusal(machine(), "0000:99:00.0")
    assert nothing_close is not None
    assert "closest" not in nothing_close.seen
    assert hanging_refusal(machine(), NIC, None).code == "driver_hangs"
    assert "process 7 waits" in hanging_refusal(machine(), NIC, "process 7 waits").seen


DRIVERS = st.sampled_from([None, "r8169", "vfio-pci", "pci-stub", "r8125"])
REQUESTED = st.sampled_from([AUTO, NONE, "r8169", "vfio-pci", "r8125"])
OVERRIDES = st.sampled_from([None, NONE, "r8169", "vfio-pci", "r8125"])


@given(DRIVERS, OVERRIDES, REQUESTED)
def test_a_second_plan_is_empty(driver: str | None, override: str | None, requested: str) -> None:
    """A kernel that carries out the steps ends with the expected driver, and another plan has no steps."""
    request = DriverRequest(NIC, requested)
    plan = plan_driver_change(on(NIC, driver), live(override=override), request)
    assert plan.refusals == ()
    for step in plan.steps:
        assert isinstance(step, SetAttribute)
        if step.path.endswith("/driver_override"):
            override = step.value or None
        elif step.path.endswith("/unbind"):
            assert step.path.split("/")[-2] == driver
            driver = None
        else:
            driver = driver or override or "r8169"
    assert (driver, override) == (plan.driver, plan.override)
    assert plan_driver_change(on(NIC, driver), live(override=override), request).steps == ()


@given(st.sampled_from(sorted(DESKTOP)), DRIVERS, OVERRIDES, REQUESTED, st.sets(st.sampled_from(sorted(CODES))))
def test_a_refused_plan_has_no_steps(
    address: str, driver: str | None, override: str | None, requested: str, accepted: set[str]
) -> None:
    plan = plan_driver_change(
        on(address, driver), live(override=override), DriverRequest(address, requested), frozenset(accepted)
    )
    assert not (plan.refusals and plan.steps)
    assert not {refusal.code for refusal in plan.refusals} & accepted & set(ACCEPTABLE)
    # No step affects any other function.
    written = [step for step in plan.steps if isinstance(step, SetAttribute)]
    assert all(step.value == address or f"/{address}/" in step.path for step in written)
