# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a guest can start now: its devices, their IOMMU groups and its huge pages.

QEMU and the kernel would refuse the same later, one at a time and in other words: `group 9 is not viable`, `unable to
map backing store`, `Device or resource busy`.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ..._machine import Machine, PciFunction
from ..._machine.guest_drivers import is_vfio_driver, leaves_group_usable
from ..._machine.guest_start import PageNeed, StartNeeds
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element
from ..notation import numbers_text, page_size_text, size_text
from ..refusals import refuse
from ..select import listed

_VIRTUAL_MACHINE = "virtual_machine"  # Use.kind
#: Powers of 1024 in kB (libvirt, formatdomain, memory).
_UNITS = {"b": 1 / 1024, "bytes": 1 / 1024, "k": 1, "KiB": 1, "M": 1024, "MiB": 1024, "G": 1 << 20, "GiB": 1 << 20}
_STRICT = "strict"


def needs_of(domain: Element) -> StartNeeds:
    """Return what a domain needs. What can't be read is no need: libvirt and QEMU judge that themselves."""
    name = domain.first("name")
    return StartNeeds(
        name=name.text if name is not None else "?",
        functions=tuple(_functions(domain)),
        pages=tuple(_pages(domain)),
    )


def _functions(domain: Element) -> Iterator[str]:
    for device in domain.all("devices", "hostdev"):
        address = device.first("source", "address")
        # With managed='yes', libvirt binds vfio-pci itself, after this check.
        if device.get("type") != "pci" or device.get("managed") == "yes" or address is None:
            continue
        parts = [_number(address.get(part) or "0x0") for part in ("domain", "bus", "slot", "function")]
        numbers = [part for part in parts if part is not None]
        if len(numbers) == len(parts):
            yield "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)


def _pages(domain: Element) -> Iterator[PageNeed]:
    backing = domain.first("memoryBacking", "hugepages")
    if backing is None:
        return
    page = backing.first("page")
    size = _memory(page, page.get("size")) if page is not None else None
    cells = list(domain.all("cpu", "numa", "cell"))
    for cell in cells:
        amount = _memory(cell, cell.get("memory"))
        if amount:
            yield PageNeed(size, amount, _nodes_of_cell(domain, cell.get("id")))
    memory = domain.first("memory")
    amount = _memory(memory, memory.text) if memory is not None and not cells else None
    if amount:
        yield PageNeed(size, amount, _nodes(domain.first("numatune", "memory")))


def _memory(part: Element, value: str | None) -> int | None:
    unit, number = _UNITS.get(part.get("unit") or "KiB"), _number(value or "")
    return None if unit is None or number is None else int(number * unit)


def _nodes_of_cell(domain: Element, cell: str | None) -> tuple[int, ...]:
    for node in domain.all("numatune", "memnode"):
        if node.get("cellid") == cell:
            return _nodes(node)
    return _nodes(domain.first("numatune", "memory"))


def _nodes(tune: Element | None) -> tuple[int, ...]:
    """Return the nodes that memory is bound to; none where it may be on any."""
    if tune is None or tune.get("mode") != _STRICT:
        return ()
    nodes: list[int] = []
    for part in (tune.get("nodeset") or "").split(","):
        first, _dash, last = part.partition("-")
        start, end = _number(first), _number(last or first)
        if start is None or end is None or end - start > _MOST_NODES:
            return ()
        nodes.extend(range(start, end + 1))
    return tuple(nodes)


_MOST_NODES = 1024  # of Linux


def _number(text: str) -> int | None:
    try:
        return int(text, 0 if text.startswith("0x") else 10)
    except ValueError:
        return None


def start_refusals(machine: Machine, needs: StartNeeds) -> tuple[Refusal, ...]:
    """Return all reasons why a guest can't start on a machine as it is."""
    return (*_device_refusals(machine, needs), *_group_refusals(machine, needs), *_page_refusals(machine, needs))


def _device_refusals(machine: Machine, needs: StartNeeds) -> Iterator[Refusal]:
    for address in needs.functions:
        function = machine.pci.get(address)
        if function is None:
            remedy = "Run the playbook again: it finds a device that has moved."
            yield refuse("device_not_found", f"{needs.name}: the host has no PCI function {address}", remedy=remedy)
            continue
        if not is_vfio_driver(function.driver):
            driver = f"on {function.driver}" if function.driver else "on no driver"
            seen = f"{needs.name}: {address} is {driver}, expected vfio-pci"
            remedy = "Boot the entry with VFIO, or hand the function over: module device_driver, driver: vfio-pci."
            yield refuse("device_not_provisioned", seen, remedy=remedy)
        yield from _use_refusals(needs.name, address, function)


def _use_refusals(name: str, address: str, function: PciFunction) -> Iterator[Refusal]:
    for use in function.in_use_by:
        if use.kind == _VIRTUAL_MACHINE:
            yield refuse("device_held_by_guest", f"{name}: {use.name} has {address} (/dev/{use.via} is open)")
        else:
            seen = f"{name}: {address} is in use: {use.kind} {use.name} by {use.via}"
            remedy = "End what uses the device, and start the guest again."
            yield refuse("device_in_use", seen, "The host would lose what uses the device.", remedy)


def _group_refusals(machine: Machine, needs: StartNeeds) -> Iterator[Refusal]:
    numbers = [machine.pci[address].iommu_group for address in needs.functions if address in machine.pci]
    for number in dict.fromkeys(numbers):
        group = machine.iommu.groups.get(number) if number is not None else None
        members = _host_members(machine, group.members, needs.functions) if group is not None else ()
        if members:
            seen = f"{needs.name}: drivers of the host have these members of IOMMU group {number}:"
            yield refuse("group_shared_with_host", seen + listed(machine, members))


def _host_members(machine: Machine, members: Sequence[str], functions: Sequence[str]) -> tuple[str, ...]:
    """Return the members that keep a group from guests, besides the guest's own functions."""
    others = {member: machine.pci.get(member) for member in members if member not in functions}
    return tuple(
        member
        for member, function in others.items()
        if function is not None and not (function.bridge or leaves_group_usable(function.driver))
    )


def _page_refusals(machine: Machine, needs: StartNeeds) -> Iterator[Refusal]:
    for need in needs.pages:
        if need.size_kb is None:
            continue
        free = _free_kb(machine, need)
        if free is None or free >= need.memory_kb:
            continue
        where = f"node {numbers_text(need.nodes)} has" if need.nodes else "the host has"
        pages = f"pages of {page_size_text(need.size_kb)}"
        amount, rest = size_text(need.memory_kb << 10), size_text(free << 10)
        seen = f"{needs.name}: {amount} are needed in {pages}, of which {where} {rest} free"
        remedy = "Shut down the guest that uses them, or reserve more pages in hugepages of the host."
        yield refuse("guest_memory_exceeds_pages", seen, remedy=remedy)


def _free_kb(machine: Machine, need: PageNeed) -> int | None:
    """Return the free memory in pages of a size on nodes; None where it is unknown."""
    nodes = map(str, need.nodes) if need.nodes else machine.memory.nodes
    pools = [
        machine.memory.nodes[node].hugepages.get(str(need.size_kb)) for node in nodes if node in machine.memory.nodes
    ]
    free = [pool.free for pool in pools if pool is not None]
    return None if any(pages is None for pages in free) else sum(filter(None, free)) * (need.size_kb or 0)
