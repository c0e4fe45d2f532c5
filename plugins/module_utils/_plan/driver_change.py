# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether one function may be handed over to another driver while the machine runs, and by which steps.

Source: Documentation/ABI/testing/sysfs-bus-pci (bind, unbind) and the commit that introduced driver_override (Linux
3.16, 782a985d7af2): it restricts one function to one driver, and does not affect identical devices.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator, NamedTuple, Sequence

from .._machine import IommuGroup, Machine, PciFunction
from .._machine.driver_change import AUTO, NONE, DriverRequest, DriverStep, FunctionDrivers, LoadDriver, SetAttribute
from .._machine.guest_drivers import is_guest_driver, is_vfio_driver, leaves_group_usable
from .._machine.kernel_module import MISSING
from .._machine.plan import Refusal
from .keyboards import NO_OTHER_KEYBOARD, other_uses, takes_last_keyboard
from .notation import slot_of
from .refusals import refuse
from .select import describe, endpoints, is_endpoint, listed, may_have_outputs

#: Codes of refusals that can be overridden. The others name what can't work.
ACCEPTABLE = (
    "device_has_no_group",
    "device_in_use",
    "device_is_boot_display",
    "iommu_absent",
    "iommu_disabled_by_firmware",
    "iommu_disabled_in_kernel",
    "iommu_unknown",
)

#: The note on a function that the host has no driver for.
UNCLAIMED = "no module of the running kernel claims the function, so that it has no driver on the host"

_SYSFS = "/sys/bus/pci"
_IOMMU_CODES = {
    "absent": "iommu_absent",
    "disabled_by_firmware": "iommu_disabled_by_firmware",
    "disabled_in_kernel": "iommu_disabled_in_kernel",
}


class DriverPlan(NamedTuple):
    """How a function is handed over."""

    steps: tuple[DriverStep, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]  # for the user
    driver: str | None  # its expected driver after the steps; None for no driver, or where only the kernel decides
    override: str | None  # its driver_override after the steps


class Member(NamedTuple):
    """A member of an IOMMU group, and its driver."""

    address: str
    driver: str | None


class Group(NamedTuple):
    """An IOMMU group, and whether guests can use it."""

    number: str
    usable: bool  # no member is on a driver of the host
    members: tuple[Member, ...]


def missing_refusal(machine: Machine, address: str) -> Refusal | None:
    """Return the refusal of an address that has no function; None where it has one."""
    if address in machine.pci:
        return None
    seen = f"{address}: this machine has no such PCI function"
    close = [
        endpoint
        for endpoint in endpoints(machine)
        if slot_of(endpoint) == slot_of(address) or endpoint.startswith(address[:-4])
    ]
    seen += f"; the closest are:{listed(machine, close)}" if close else ""
    return refuse("device_not_found", seen, remedy="Write an address that lspci -D or vfio.workstation.report shows.")


def hanging_refusal(machine: Machine, address: str, process: str | None) -> Refusal:
    """Return the refusal of a function whose driver hangs.

    Args:
        machine: The machine.
        address: The function.
        process: Describes a process of an earlier run that still waits for the driver; None where there is none, and
            reading driver_override blocks.
    """
    seen = f"since an earlier run, {process}" if process else "reading its driver_override blocks"
    return refuse("driver_hangs", f"{describe(machine, address)}\n  {seen}: a driver has not finished with it.")


def plan_driver_change(
    machine: Machine, live: FunctionDrivers, request: DriverRequest, accepted: AbstractSet[str] = frozenset()
) -> DriverPlan:
    """Return the steps that hand an existing function over to a driver, or why that is refused.

    If the request is already fulfilled, there are no steps and no refusals: the function may be in use by a guest.

    Args:
        machine: The machine.
        live: What determines the driver that the function can get.
        request: The function and the requested driver.
        accepted: Codes of refusals to override; only those of ACCEPTABLE have an effect.
    """
    function = machine.pci[request.address]
    override = {AUTO: None, NONE: NONE}.get(request.driver, request.driver)
    if _is_fulfilled(function, live, request):
        return DriverPlan((), (), tuple(_group_notes(machine, request)), function.driver, live.override)
    rebinds = _rebinds(function, live, request)
    steps = [*_load_steps(live, request), *_override_steps(live, request, override)]
    refusals: tuple[Refusal, ...] = ()
    if rebinds:
        steps.extend(_rebind_steps(function, request))
        refusals = tuple(
            refusal
            for refusal in _refusals(machine, function, live, request)
            if refusal.code not in accepted or refusal.code not in ACCEPTABLE
        )
    if refusals:
        return DriverPlan((), refusals, (), function.driver, live.override)
    notes = [*_group_notes(machine, request), *(_auto_notes(live) if rebinds and request.driver == AUTO else ())]
    return DriverPlan(tuple(steps), (), tuple(notes), _expected_driver(function, live, request, rebinds), override)


def group_of(machine: Machine, address: str) -> Group | None:
    """Return a function's group with the drivers of its members; None where it has none, or the IOMMU is disabled."""
    number = machine.pci[address].iommu_group if address in machine.pci else None
    group = machine.iommu.groups.get(number) if number is not None else None
    if number is None or group is None:
        return None
    members = tuple(Member(member, _driver(machine, member)) for member in group.members)
    return Group(number, not _host_members(machine, group), members)


def with_driver(machine: Machine, address: str, driver: str | None) -> Machine:
    """Return the machine with a function on another driver."""
    return machine._replace(pci={**machine.pci, address: machine.pci[address]._replace(driver=driver)})


def _is_fulfilled(function: PciFunction, live: FunctionDrivers, request: DriverRequest) -> bool:
    """Tell whether the function has the requested driver and a driver_override that agrees with it."""
    if request.driver == NONE:
        return function.driver is None and live.override == NONE
    if request.driver != AUTO:
        return function.driver == request.driver and live.override in (None, request.driver)
    if live.override is not None or is_guest_driver(function.driver):
        return False
    return function.driver is not None or live.modules == ()


def _rebinds(function: PciFunction, live: FunctionDrivers, request: DriverRequest) -> bool:
    """Tell whether the function must be unbound or bound; otherwise a change of driver_override is enough."""
    if request.driver == NONE:
        return function.driver is not None
    if request.driver != AUTO:
        return function.driver != request.driver
    # Even if no module claims the function, a driver may take it: its ids may have been written to new_id.
    may_get_driver = live.modules != () or live.override is not None
    return is_guest_driver(function.driver) or (function.driver is None and may_get_driver)


def _load_steps(live: FunctionDrivers, request: DriverRequest) -> Iterator[DriverStep]:
    if request.driver == AUTO:
        missing = [module.module for module in live.modules or () if not module.loaded]
        if live.modalias is not None and (missing or live.modules is None):
            # -b: a blacklisted module is not loaded, as when the machine boots.
            reason = f"load the modules that claim the function: {', '.join(missing) or 'their names are unknown'}"
            yield LoadDriver(("modprobe", "-b", "--", live.modalias), False, reason)
    elif not live.registered:
        yield LoadDriver(("modprobe", "--", request.driver), True, f"load the driver {request.driver}")


def _override_steps(live: FunctionDrivers, request: DriverRequest, override: str | None) -> Iterator[DriverStep]:
    if live.override == override:
        return
    if request.driver == NONE:
        reason = "allow no driver for the function"  # no driver has the name NONE
    else:
        reason = f"allow {'any driver' if override is None else f'only {override}'} for the function"
    yield SetAttribute(f"{_SYSFS}/devices/{request.address}/driver_override", override or "", None, reason)


def _rebind_steps(function: PciFunction, request: DriverRequest) -> Iterator[DriverStep]:
    if function.driver is not None:
        path = f"{_SYSFS}/drivers/{function.driver}/unbind"
        yield SetAttribute(path, request.address, function.driver, f"unbind the function from {function.driver}")
    if request.driver == AUTO:
        reason = "have the kernel bind a driver to the function"
        yield SetAttribute(f"{_SYSFS}/drivers_probe", request.address, None, reason)
    elif request.driver != NONE:
        reason = f"bind the function to {request.driver}"
        yield SetAttribute(f"{_SYSFS}/drivers_probe", request.address, request.driver, reason)


def _refusals(
    machine: Machine, function: PciFunction, live: FunctionDrivers, request: DriverRequest
) -> Iterator[Refusal]:
    description = describe(machine, request.address)
    driver = request.driver
    if driver not in (AUTO, NONE) and not live.registered and live.module == MISSING:
        version = machine.boot.running.version
        yield refuse(
            "driver_unknown", f"the running kernel {version} has no PCI driver {driver}, and no module of that name"
        )
    if driver == NONE or is_guest_driver(driver):
        if not is_endpoint(function):
            yield refuse("device_not_assignable", description)
        yield from _display_refusals(function, description)
    if is_vfio_driver(driver):
        yield from _iommu_refusals(machine, function, description)
    yield from _use_refusals(machine, request.address, description)


def _use_refusals(machine: Machine, address: str, description: str) -> Iterator[Refusal]:
    function = machine.pci[address]
    last_keyboard = takes_last_keyboard(machine, (address,))
    if last_keyboard or other_uses(function):
        danger = "The host would lose what uses the device at once, and its driver may hang until a reboot."
        remedy = "Stop what uses the device, and run this again."
        yield refuse("device_in_use", description + NO_OTHER_KEYBOARD * last_keyboard, danger, remedy)


def _display_refusals(function: PciFunction, description: str) -> Iterator[Refusal]:
    danger = "The screen would go black at once and stay black: nobody could see what the host reports."
    if function.boot_display and not is_guest_driver(function.driver):
        yield refuse("device_is_boot_display", description, danger)
    elif function.boot_display is None and may_have_outputs(function):
        seen = f"{description}\n  Whether it is the boot display, which has the host's console, is unknown."
        remedy = "Find out; if it is not the boot display, set accept: [device_is_boot_display]."
        yield refuse("device_is_boot_display", seen, danger, remedy)


def _iommu_refusals(machine: Machine, function: PciFunction, description: str) -> Iterator[Refusal]:
    if machine.iommu.state != "enabled":
        yield refuse(_IOMMU_CODES.get(machine.iommu.state, "iommu_unknown"), f"IOMMU: {machine.iommu.reason}")
    elif function.iommu_group is None:
        yield refuse("device_has_no_group", description)


def _group_notes(machine: Machine, request: DriverRequest) -> Iterator[str]:
    """Yield what may keep a guest from using the function although it is on a VFIO driver."""
    group = group_of(machine, request.address)
    if group is None or not is_vfio_driver(request.driver):
        return
    number = group.number
    others = [member for member in _host_members(machine, machine.iommu.groups[number]) if member != request.address]
    if others:
        blocked = "is not free yet: no guest can use it while drivers of the host have these members"
        yield f"IOMMU group {number} {blocked}:{listed(machine, others)}"
    if any(region.type == "direct" for region in machine.iommu.groups[number].reserved_regions):
        yield (
            f"IOMMU group {number} has a reserved memory region (RMRR on Intel, IVMD on AMD) of type direct "
            f"(/sys/kernel/iommu_groups/{number}/reserved_regions): the kernel may refuse to pass it through"
        )


def _auto_notes(live: FunctionDrivers) -> Iterator[str]:
    if live.modules == ():
        yield UNCLAIMED
    elif len(live.candidates) > 1:
        yield f"the kernel picks one of these drivers: {', '.join(live.candidates)}"


def _host_members(machine: Machine, group: IommuGroup) -> Sequence[str]:
    """Return the members on drivers of the host, except bridges."""
    functions = {member: machine.pci.get(member) for member in group.members}
    return [
        member
        for member, function in functions.items()
        if function is None or not (function.bridge or leaves_group_usable(function.driver))
    ]


def _driver(machine: Machine, address: str) -> str | None:
    function = machine.pci.get(address)
    return None if function is None else function.driver


def _expected_driver(function: PciFunction, live: FunctionDrivers, request: DriverRequest, rebinds: bool) -> str | None:
    if request.driver != AUTO:
        return None if request.driver == NONE else request.driver
    if not rebinds:
        return function.driver
    return live.candidates[0] if len(live.candidates) == 1 else None
