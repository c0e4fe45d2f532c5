# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far each request has come, one by one, for a person and for scripts."""

from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple, Sequence

from .._machine import Machine, cmdline
from .._machine.desired import AccessRequest, Desired
from .._machine.host_plan import CpuPlan, HostPlan, Row, RuntimePages
from .host_plan import ACCESS, ARGUMENTS, CPU_ISOLATION, DEVICES, HUGEPAGES, IOMMU, KVM, owner_of
from .hugepages_files import allocated_pages
from .kvm_options import kvm_now
from .notation import numbers_text, page_size_text
from .udev_rule import DRIVER


class Lines(NamedTuple):
    """The command lines of a machine."""

    configured: bool  # whether future kernels inherit all that is wanted of all sections, and no more
    owners: Mapping[str, tuple[str, ...]]  # section -> units that earlier runs configured
    entries: tuple[str, ...]  # of installed kernels
    running: str | None


class Seen(NamedTuple):
    """What of a plan is on the machine."""

    lines: Lines
    pending: Mapping[str, frozenset[str]]  # section -> effects of the steps that its files still need
    kvm_values: Mapping[str, str]  # parameters in effect, by module and name


def rows(machine: Machine, desired: Desired, plan: HostPlan, seen: Seen) -> Iterator[Row]:
    """Yield a row for each request."""
    if desired.iommu is not None:
        state = machine.iommu.state
        wanted = "on, with identity mapping for the host's drivers" if desired.iommu.pass_through else "on"
        kind = f" ({machine.iommu.kind})" if machine.iommu.kind else ""
        is_on = None if state == "unknown" else state == "enabled"
        yield _row(plan, seen, IOMMU, "IOMMU", wanted, state.replace("_", " ") + kind, is_on)
    yield from _device_rows(machine, plan, seen)
    yield from _hugepages_rows(machine, plan, seen)
    if plan.cpus is not None and plan.cpus.guests:
        yield _cpu_row(machine, plan, plan.cpus, seen)
    if desired.access is not None and desired.access != AccessRequest():
        # udev and new sessions go by the files as they are: where those are right, there is nothing to wait for.
        is_there = not seen.pending.get(ACCESS)
        yield _row(
            plan, seen, ACCESS, "access", _access_text(desired.access), "set" if is_there else "not set", is_there
        )
    for option in kvm_now(machine, desired.kvm, seen.kvm_values) if desired.kvm is not None else ():
        wanted = "on" if option.requested else "off"
        now = f"{option.module}.{option.parameter} is {option.now or 'not there'}"
        yield _row(plan, seen, KVM, option.name, wanted, now, option.active)
    if desired.arguments:
        units = plan.arguments[ARGUMENTS]
        there = [unit for unit in units if cmdline.has(seen.lines.running or "", unit)]
        yield _row(plan, seen, ARGUMENTS, "arguments", " ".join(units), " ".join(there) or "none of them", True)


def _access_text(request: AccessRequest) -> str:
    parts = [f"group {request.group} opens devices"] if request.group is not None else []
    whom = (*request.memlock_users, *(f"group {name}" for name in request.memlock_groups))
    if whom:
        parts.append(f"{', '.join(whom)} may lock memory")
    return "; ".join(parts)


def _row(
    plan: HostPlan,
    seen: Seen,
    section: str,
    name: str,
    wanted: str,
    now: str,
    effect: bool | None,
    of_units: str = "",
) -> Row:
    """Return a row; the effect is what the running system shows, beside those of its arguments that begin so."""
    all_units = plan.arguments.get(section, ())
    units = tuple(unit for unit in all_units if unit.startswith(of_units))
    lines = seen.lines
    pending = seen.pending.get(section, frozenset())
    carried = all(cmdline.carries(line, units) for line in lines.entries)
    # Where another section's are due, this one's may stand there all the same.
    inherited = lines.configured or (carried and lines.owners.get(owner_of(section), ()) == all_units)
    configured = inherited and "configured" not in pending
    staged = carried and not pending
    started = None if lines.running is None else cmdline.carries(lines.running, units)
    active = None if None in (started, effect) else bool(started and effect)
    if effect is False or started is False:
        active = False
    return Row(section, name, wanted, now, configured, configured and staged, active)


def _device_rows(machine: Machine, plan: HostPlan, seen: Seen) -> Iterator[Row]:
    by_name: dict[str, list[str]] = {}
    for binding in plan.bindings or ():
        by_name.setdefault(binding.name, []).append(binding.address)
    for name, addresses in by_name.items():
        drivers = [machine.pci[address].driver or "no driver" for address in addresses]
        now = ", ".join(f"{address} {driver}" for address, driver in zip(addresses, drivers))
        is_bound = all(driver == DRIVER for driver in drivers)
        yield _row(plan, seen, DEVICES, name, f"{', '.join(addresses)} on {DRIVER}", now, is_bound)


def _hugepages_rows(machine: Machine, plan: HostPlan, seen: Seen) -> Iterator[Row]:
    if plan.hugepages is None:
        return
    by_size: dict[int, list[RuntimePages]] = {}
    for pages in (*plan.hugepages.at_boot, *plan.hugepages.runtime):
        by_size.setdefault(pages.size_kb, []).append(pages)
    for size, wanted in sorted(by_size.items(), reverse=True):
        there = [allocated_pages(machine, one) for one in wanted]
        enough = [None if now is None else now >= one.pages for one, now in zip(wanted, there)]
        effect = False if False in enough else None if None in enough else True
        name = page_size_text(size)
        asked = ", ".join(_pages_text(one.pages, one.node) for one in wanted)
        now = ", ".join(_pages_text(count, one.node) for one, count in zip(wanted, there))
        yield _row(plan, seen, HUGEPAGES, name, asked, now, effect, f"hugepagesz={name} ")


def _pages_text(count: int | None, node: int | None) -> str:
    where = "" if node is None else f" on node {node}"
    return f"{'?' if count is None else count} pages{where}"


def _cpu_row(machine: Machine, plan: HostPlan, cpus: CpuPlan, seen: Seen) -> Row:
    guests = cpus.guests
    wanted = f"{numbers_text(guests)} for guests ({cpus.mode})"
    isolated = machine.cpus.isolated
    if cpus.arguments:
        effect = None if isolated is None else set(guests) <= set(isolated)
        now = f"isolated: {numbers_text(isolated) or 'none'}" if isolated is not None else "isolated: ?"
    else:
        # Kept apart only while a guest runs: what can be active is that it is ready.
        effect = not seen.pending.get(CPU_ISOLATION)
        now = "kept apart while guests run" if effect else "not set up"
    return _row(plan, seen, CPU_ISOLATION, "CPUs", wanted, now, effect)


def all_active(found: Sequence[Row], gone: bool) -> bool | None:
    """Return whether the running system shows all requests, and nothing that is not wanted any more."""
    if not gone or any(row.active is False for row in found):
        return False
    return None if any(row.active is None for row in found) else True
