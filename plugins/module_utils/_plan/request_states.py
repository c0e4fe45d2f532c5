# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of each request: what is requested, what the running system shows; configured, staged, active."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, cmdline
from .._machine.desired import AccessRequest, Desired
from .._machine.host_plan import CpuPlan, HostPlan, RequestState, RuntimePages
from .host_plan import ACCESS, ARGUMENTS, CPU_ISOLATION, DEVICES, HUGEPAGES, IOMMU, KVM, owner_of
from .hugepages_files import allocated_pages
from .kvm_options import KvmOption, kvm_now
from .notation import numbers_text, page_size_text
from .udev_rule import DRIVER


class CommandLines(NamedTuple):
    """The command lines of a machine."""

    configured: bool  # future kernels inherit the requested units of all sections, and no other managed units
    owners: Mapping[str, tuple[str, ...]]  # owner -> units that earlier runs configured
    entries: tuple[str, ...]  # of installed kernels
    running: str | None


class Observed(NamedTuple):
    """What the machine has of a plan."""

    lines: CommandLines
    pending: Mapping[str, frozenset[str]]  # section -> effects of the steps that its files and images still need
    kvm_values: Mapping[str, str]  # module parameters in effect: "kvm.ignore_msrs" -> "Y"


def request_states(machine: Machine, desired: Desired, plan: HostPlan, observed: Observed) -> Iterator[RequestState]:
    """Yield the states of each request."""
    if desired.iommu is not None:
        yield _iommu_state(machine, plan, observed, pass_through=desired.iommu.pass_through)
    yield from _device_states(machine, plan, observed)
    yield from _hugepages_states(machine, plan, observed)
    if plan.cpus is not None and plan.cpus.guests:
        yield _cpus_state(machine, plan, plan.cpus, observed)
    if desired.access is not None and desired.access != AccessRequest():
        yield _access_state(plan, desired.access, observed)
    if desired.kvm is not None:
        for option in kvm_now(machine, desired.kvm, observed.kvm_values):
            yield _kvm_state(plan, option, observed)
    if desired.arguments:
        yield _arguments_state(plan, observed)


def all_active(states: Sequence[RequestState], arguments_active: bool) -> bool | None:
    """Return whether the running system shows all requests; None where that is unknown.

    Args:
        states: The states of the requests.
        arguments_active: Whether the running kernel has the requested arguments, and none that are no longer requested.
    """
    return _all([arguments_active, *(state.active for state in states)])


def _all(values: Sequence[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _state(
    plan: HostPlan,
    observed: Observed,
    section: str,
    name: str,
    requested: str,
    now: str,
    effect: bool | None,
    first_argument: str = "",
) -> RequestState:
    """Return the states of one request.

    Args:
        plan: The plan.
        observed: What the machine has of it.
        section: The section of the request.
        name: What identifies the request in its section.
        requested: What is requested, for the user.
        now: What the running system shows, for the user.
        effect: Whether the running system shows the requested effect; None where that is unknown.
        first_argument: What the request's units begin with, where the section has units of other requests too.
    """
    section_units = plan.arguments.get(section, ())
    units = tuple(unit for unit in section_units if unit.startswith(first_argument))
    lines = observed.lines
    pending = observed.pending.get(section, frozenset())
    in_entries = all(cmdline.carries(line, units) for line in lines.entries)
    # Where only units of other sections are missing, the units of this one may be configured nevertheless.
    inherited = lines.configured or (in_entries and lines.owners.get(owner_of(section), ()) == section_units)
    configured = inherited and "configured" not in pending
    staged = configured and in_entries and not pending
    booted = None if lines.running is None else cmdline.carries(lines.running, units)
    return RequestState(section, name, requested, now, configured, staged, _all([booted, effect]))


def _iommu_state(machine: Machine, plan: HostPlan, observed: Observed, *, pass_through: bool) -> RequestState:
    state = machine.iommu.state
    requested = "on, with identity mapping for devices of the host" if pass_through else "on"
    kind = f" ({machine.iommu.kind})" if machine.iommu.kind else ""
    is_on = None if state == "unknown" else state == "enabled"
    return _state(plan, observed, IOMMU, "IOMMU", requested, state.replace("_", " ") + kind, is_on)


def _device_states(machine: Machine, plan: HostPlan, observed: Observed) -> Iterator[RequestState]:
    by_name: dict[str, list[str]] = {}
    for binding in plan.bindings or ():
        by_name.setdefault(binding.name, []).append(binding.address)
    for name, addresses in by_name.items():
        drivers = {
            address: machine.pci[address].driver or "no driver" for address in addresses if address in machine.pci
        }
        now = ", ".join(f"{address} {drivers.get(address, 'absent')}" for address in addresses)
        # An absent function is bound when it appears, see udev_rule.
        is_bound = all(driver == DRIVER for driver in drivers.values())
        yield _state(plan, observed, DEVICES, name, f"{', '.join(addresses)} on {DRIVER}", now, is_bound)


def _hugepages_states(machine: Machine, plan: HostPlan, observed: Observed) -> Iterator[RequestState]:
    if plan.hugepages is None:
        return
    by_size: dict[int, list[RuntimePages]] = {}
    for pages in (*plan.hugepages.at_boot, *plan.hugepages.runtime):
        by_size.setdefault(pages.size_kb, []).append(pages)
    for size_kb, requested in sorted(by_size.items(), reverse=True):
        allocated = [allocated_pages(machine, pages) for pages in requested]
        enough = _all([None if count is None else count >= pages.pages for pages, count in zip(requested, allocated)])
        size = page_size_text(size_kb)
        yield _state(
            plan,
            observed,
            HUGEPAGES,
            size,
            ", ".join(_pages_text(pages.pages, pages.node) for pages in requested),
            ", ".join(_pages_text(count, pages.node) for pages, count in zip(requested, allocated)),
            enough,
            first_argument=f"hugepagesz={size} ",
        )


def _pages_text(count: int | None, node: int | None) -> str:
    on_node = "" if node is None else f" on node {node}"
    return f"{'?' if count is None else count} pages{on_node}"


def _cpus_state(machine: Machine, plan: HostPlan, cpus: CpuPlan, observed: Observed) -> RequestState:
    requested = f"{numbers_text(cpus.guests)} for guests ({cpus.mode})"
    isolated = machine.cpus.isolated
    effect: bool | None
    if not cpus.arguments:
        # CPUs are isolated only while a guest runs: what can be active at any time is that the unit is installed.
        effect = not observed.pending.get(CPU_ISOLATION)
        now = "isolated while guests run" if effect else "not set up"
    elif isolated is None:
        effect, now = None, "isolated: ?"
    else:
        effect, now = set(cpus.guests) <= set(isolated), f"isolated: {numbers_text(isolated) or 'none'}"
    return _state(plan, observed, CPU_ISOLATION, "CPUs", requested, now, effect)


def _access_state(plan: HostPlan, request: AccessRequest, observed: Observed) -> RequestState:
    # udev and new sessions read the files as they are now: once these are right, no reboot is needed.
    is_set = not observed.pending.get(ACCESS)
    now = "set" if is_set else "not set"
    return _state(plan, observed, ACCESS, "access", _access_text(request), now, is_set)


def _access_text(request: AccessRequest) -> str:
    parts = [f"group {request.group} may open VFIO devices"] if request.group is not None else []
    accounts = (*request.memlock_users, *(f"group {name}" for name in request.memlock_groups))
    if accounts:
        parts.append(f"{', '.join(accounts)} may lock memory")
    return "; ".join(parts)


def _kvm_state(plan: HostPlan, option: KvmOption, observed: Observed) -> RequestState:
    parameter = f"{option.module}.{option.parameter}"
    now = f"{parameter} is {option.now}" if option.now else f"{parameter} is unavailable"
    return _state(plan, observed, KVM, option.name, "on" if option.requested else "off", now, option.active)


def _arguments_state(plan: HostPlan, observed: Observed) -> RequestState:
    units = plan.arguments[ARGUMENTS]
    present = [unit for unit in units if cmdline.has(observed.lines.running or "", unit)]
    return _state(plan, observed, ARGUMENTS, "arguments", " ".join(units), " ".join(present) or "none of them", True)
