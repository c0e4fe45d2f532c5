# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether one function may change hands while the machine runs, and by which steps.

Source: Documentation/ABI/testing/sysfs-bus-pci (bind, unbind) and the commit that brought driver_override (Linux 3.16,
782a985d7af2): with it, one driver gets a chance at one function, and no twin is concerned.
"""

from __future__ import annotations

from typing import AbstractSet, Iterator, NamedTuple, Sequence

from .._machine import IommuGroup, Machine, PciFunction
from .._machine.driver_change import AUTO, NONE, DriverRequest, DriverStep, FunctionDrivers, LoadDriver, SetAttribute
from .._machine.kernel_module import MISSING
from .._machine.plan import Refusal
from .notation import slot_of
from .refusals import refuse
from .select import describe, endpoints, is_endpoint, listed

#: What may be taken upon oneself. The others name what can't work.
ACCEPTABLE = (
    "device_has_no_group",
    "device_in_use",
    "device_is_boot_display",
    "iommu_absent",
    "iommu_disabled_by_firmware",
    "iommu_disabled_in_kernel",
    "iommu_unknown",
)

#: What is told where the host has no use for a function.
UNCLAIMED = "no module of the running kernel modules the function, so that it has no driver on the host"

_SYSFS = "/sys/bus/pci"
_DRIVERS_FOR_PROGRAMS = ("pci-stub", "uio_pci_generic", "igb_uio", "pciback")
#: 3D controllers have no outputs, so that no firmware draws on them (PCI Code and ID Assignment, class 03 02).
_WITHOUT_OUTPUTS = "0302"
_IOMMU_CODES = {
    "absent": "iommu_absent",
    "disabled_by_firmware": "iommu_disabled_by_firmware",
    "disabled_in_kernel": "iommu_disabled_in_kernel",
}


class DriverPlan(NamedTuple):
    """How a function changes hands."""

    steps: tuple[DriverStep, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]
    driver: str | None  # that it is expected to have then; None too where only the kernel can tell
    override: str | None  # its driver_override then


class Member(NamedTuple):
    """A member of an IOMMU group, and who has it."""

    address: str
    driver: str | None


class Group(NamedTuple):
    """An IOMMU group, as it stands with it."""

    number: str
    usable: bool  # a guest could have its functions: none is on a driver of the host's
    members: tuple[Member, ...]


def for_programs(driver: str | None) -> bool:
    """Tell whether a driver only keeps a function for somebody else: a guest, or a program."""
    return driver is not None and ("vfio" in driver or driver in _DRIVERS_FOR_PROGRAMS)


def missing_refusal(machine: Machine, address: str) -> Refusal | None:
    """Return why nothing can be done for an address, where there is no function."""
    if address in machine.pci:
        return None
    seen = f"{address}: this machine has no such PCI function"
    near = [one for one in endpoints(machine) if slot_of(one) == slot_of(address) or one.startswith(address[:-4])]
    seen += f"; the nearest are:{listed(machine, near)}" if near else ""
    return refuse("device_not_found", seen, remedy="Write an address that lspci -D or vfio.workstation.report shows.")


def hanging_refusal(machine: Machine, address: str, process: str | None) -> Refusal:
    """Return why nothing can be done for a function that does not answer.

    Args:
        machine: The machine.
        address: The function.
        process: What is known of a process that was left behind; None: its driver_override can't be read.
    """
    seen = f"from an earlier run, {process}" if process else "reading its driver_override does not come back"
    return refuse("driver_hangs", f"{describe(machine, address)}\n  {seen}: a driver has not finished with it.")


def plan_driver_change(
    machine: Machine, live: FunctionDrivers, request: DriverRequest, accepted: AbstractSet[str] = frozenset()
) -> DriverPlan:
    """Return the steps by which a function that is there changes hands, or why it must not.

    A function that has the wanted driver already needs none, and nothing is in the way then, a guest that runs with it
    least of all.

    Args:
        machine: The machine.
        live: What decides which driver the function can get.
        request: Which function, for whom.
        accepted: Codes of refusals that the person takes upon them; those of ACCEPTABLE count.
    """
    function = machine.pci[request.address]
    override = {AUTO: None, NONE: NONE}.get(request.driver, request.driver)
    if _holds(function, live, request):
        return DriverPlan((), (), tuple(_notes(machine, request)), function.driver, live.override)
    moves = _moves(function, live, request)
    steps = [*_loading(live, request), *_override_steps(live, request, override)]
    if moves:
        steps.extend(_moving(function, request))
    found = _refusals(machine, function, live, request) if moves else ()
    refusals = tuple(one for one in found if one.code not in accepted or one.code not in ACCEPTABLE)
    if refusals:
        return DriverPlan((), refusals, (), function.driver, live.override)
    notes = [*_notes(machine, request), *(_choice_notes(live) if moves and request.driver == AUTO else ())]
    return DriverPlan(tuple(steps), (), tuple(notes), _expected(function, live, request, moves), override)


def group_of(machine: Machine, address: str) -> Group | None:
    """Return a function's group with the drivers of its members; None where it has none or the IOMMU is off."""
    number = machine.pci[address].iommu_group if address in machine.pci else None
    group = machine.iommu.groups.get(number) if number is not None else None
    if number is None or group is None:
        return None
    return Group(number, not _kept(machine, group), tuple(Member(one, _driver(machine, one)) for one in group.members))


def with_driver(machine: Machine, address: str, driver: str | None) -> Machine:
    """Return the machine with a function on another driver."""
    return machine._replace(pci={**machine.pci, address: machine.pci[address]._replace(driver=driver)})


def _holds(function: PciFunction, live: FunctionDrivers, request: DriverRequest) -> bool:
    """Tell whether things are as they shall be."""
    if request.driver == NONE:
        return function.driver is None and live.override == NONE
    if request.driver != AUTO:
        return function.driver == request.driver and live.override in (None, request.driver)
    if live.override is not None or for_programs(function.driver):
        return False
    return function.driver is not None or live.modules == ()


def _moves(function: PciFunction, live: FunctionDrivers, request: DriverRequest) -> bool:
    """Tell whether more is to be done than to say which driver the function may get."""
    if request.driver == NONE:
        return function.driver is not None
    if request.driver != AUTO:
        return function.driver != request.driver
    # A driver may have been told of the function's ids (new_id) though no module modules it: asking costs nothing.
    may_get_one = live.modules != () or live.override is not None
    return for_programs(function.driver) or (function.driver is None and may_get_one)


def _loading(live: FunctionDrivers, request: DriverRequest) -> Iterator[DriverStep]:
    if request.driver == AUTO:
        absent = [claim.module for claim in live.modules or () if not claim.loaded]
        if live.modalias is not None and (absent or live.modules is None):
            # -b: a module that somebody has blacklisted stays out, as it does when the machine starts.
            reason = f"have the modules at hand that claim the function: {', '.join(absent) or 'which, is not known'}"
            yield LoadDriver(("modprobe", "-b", "--", live.modalias), False, reason)
    elif not live.registered:
        yield LoadDriver(("modprobe", "--", request.driver), True, f"have the driver {request.driver} at hand")


def _override_steps(live: FunctionDrivers, request: DriverRequest, override: str | None) -> Iterator[DriverStep]:
    if live.override == override:
        return
    reason = "let any driver have the function" if override is None else f"let only {override} have the function"
    if request.driver == NONE:
        reason = "let no driver have the function"  # no driver has that name
    yield SetAttribute(f"{_SYSFS}/devices/{request.address}/driver_override", override or "", None, reason)


def _moving(function: PciFunction, request: DriverRequest) -> Iterator[DriverStep]:
    if function.driver is not None:
        path = f"{_SYSFS}/drivers/{function.driver}/unbind"
        yield SetAttribute(path, request.address, function.driver, f"have {function.driver} let go of the function")
    if request.driver == AUTO:
        yield SetAttribute(f"{_SYSFS}/drivers_probe", request.address, None, "have the kernel pick a driver")
    elif request.driver != NONE:
        reason = f"have {request.driver} take the function"
        yield SetAttribute(f"{_SYSFS}/drivers_probe", request.address, request.driver, reason)


def _refusals(
    machine: Machine, function: PciFunction, live: FunctionDrivers, request: DriverRequest
) -> Iterator[Refusal]:
    told = describe(machine, request.address)
    wanted = request.driver
    if wanted not in (AUTO, NONE) and not live.registered and live.module == MISSING:
        seen = (
            f"the running kernel {machine.boot.running.version} has no PCI driver {wanted}, and no module of that name"
        )
        yield refuse("driver_unknown", seen)
    if wanted == NONE or for_programs(wanted):
        if not is_endpoint(function):
            yield refuse("device_not_assignable", told)
        yield from _display_refusals(function, told)
    if "vfio" in wanted:
        yield from _iommu_refusals(machine, function, told)
    if function.in_use_by:
        danger = "The host would lose that at once, and a driver whose device is in use may hang until a reboot."
        remedy = "Stop what uses it, and run this again."
        yield refuse("device_in_use", told, danger, remedy)


def _display_refusals(function: PciFunction, told: str) -> Iterator[Refusal]:
    class_ = function.class_ or ""
    danger = "The screen would go black at once, and stay so: nobody could see what the host says."
    if function.boot_display and not for_programs(function.driver):
        yield refuse("device_is_boot_display", told, danger)
    elif function.boot_display is None and class_.startswith("03") and not class_.startswith(_WITHOUT_OUTPUTS):
        seen = f"{told}\n  Whether it is the display that the host's console is on can't be told."
        yield refuse(
            "device_is_boot_display", seen, danger, "Find out; if it is not, accept: [device_is_boot_display]."
        )


def _iommu_refusals(machine: Machine, function: PciFunction, told: str) -> Iterator[Refusal]:
    if machine.iommu.state != "enabled":
        yield refuse(_IOMMU_CODES.get(machine.iommu.state, "iommu_unknown"), f"IOMMU: {machine.iommu.reason}")
    elif function.iommu_group is None:
        yield refuse("device_has_no_group", told)


def _notes(machine: Machine, request: DriverRequest) -> Iterator[str]:
    """Yield what else a guest needs that is to have the function."""
    group = group_of(machine, request.address)
    if group is None or "vfio" not in request.driver:
        return
    number = group.number
    kept = [one for one in _kept(machine, machine.iommu.groups[number]) if one != request.address]
    if kept:
        words = "is not free yet: no guest can start with it until the host has let go of"
        yield f"group {number} {words}{listed(machine, kept)}"
    if any(region.type == "direct" for region in machine.iommu.groups[number].reserved_regions):
        yield (
            f"group {number} has a reserved region of type direct "
            f"(/sys/kernel/iommu_groups/{number}/reserved_regions): the kernel may refuse to give it to a guest"
        )


def _choice_notes(live: FunctionDrivers) -> Iterator[str]:
    if live.modules == ():
        yield UNCLAIMED
    elif len(live.candidates) > 1:
        yield f"the kernel picks one of these: {', '.join(live.candidates)}"


def _kept(machine: Machine, group: IommuGroup) -> Sequence[str]:
    """Return the members that the host's drivers have, bridges aside (iommu_device_claim_dma_owner() of the kernel)."""
    return [one for one in group.members if one not in machine.pci or _is_hosts(machine.pci[one])]


def _is_hosts(function: PciFunction) -> bool:
    # Of those that only keep a function, the kernel lets VFIO's and pci-stub be in a group of a guest's.
    driver = function.driver
    return driver is not None and not function.bridge and "vfio" not in driver and driver != "pci-stub"


def _driver(machine: Machine, address: str) -> str | None:
    function = machine.pci.get(address)
    return None if function is None else function.driver


def _expected(function: PciFunction, live: FunctionDrivers, request: DriverRequest, moves: bool) -> str | None:
    if request.driver != AUTO:
        return None if request.driver == NONE else request.driver
    if not moves:
        return function.driver
    return live.candidates[0] if len(live.candidates) == 1 else None
