# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices that a guest gets: where they are on the host now, and where the guest sees them."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from ..._machine import Machine
from ..._machine.guest import GuestRequest, Setting
from ..._machine.guest_drivers import is_vfio_driver
from ..._machine.host_plan import HostRecord, Identity, RecordedDevice
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..nearest import nearest
from ..notation import address_order, slot_of
from ..refusals import refuse
from ..relocation import locate_device
from ..select import describe, identity_of

#: Model of the controllers that devices are plugged into: to a guest, a slot of its board.
_ROOT_PORT, _EXPANDER_BUS = "pcie-root-port", "pcie-expander-bus"
_STORAGE = "01"  # class of functions


class GuestDevices(NamedTuple):
    """The functions of each device on the host."""

    functions: Mapping[str, tuple[str, ...]]  # name -> addresses in bus order
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]


def find_devices(machine: Machine, record: HostRecord, request: GuestRequest) -> GuestDevices:
    """Return where the requested devices are now, as the host's record knows them."""
    functions: dict[str, tuple[str, ...]] = {}
    refusals: list[Refusal] = []
    for name in request.devices:
        recorded = [device for device in record.devices if device.name == name]
        if not recorded:
            refusals.append(_not_provisioned(record, request.name, name))
            continue
        addresses: list[str] = []
        for device in recorded:
            present, missing = _find(machine, record, device)
            addresses.extend(present)
            refusals.extend(missing)
        functions[name] = tuple(sorted(dict.fromkeys(addresses), key=address_order))
    shared = _shared(functions)
    refusals.extend(refuse("device_ambiguous", f"{request.name}: {text}") for text in shared)
    return GuestDevices(functions, tuple(refusals), tuple(_driver_notes(machine, functions)))


def _not_provisioned(record: HostRecord, guest: str, name: str) -> Refusal:
    names = list(dict.fromkeys(device.name for device in record.devices))
    meant = nearest(name, names)
    hint = f"; did you mean {meant}?" if meant else ""
    known = f"it has {', '.join(names)}" if names else "it has none"
    return refuse("device_not_provisioned", f"{guest}: the host has no device {name} for guests; {known}{hint}")


def _find(machine: Machine, record: HostRecord, device: RecordedDevice) -> tuple[list[str], list[Refusal]]:
    located = locate_device(machine, device, record)
    if not located.addresses:
        return [], list(located.refusals)
    addresses, refusals = list(located.addresses), []
    slot = slot_of(located.addresses[0])
    for address, identity in device.companions:
        now = f"{slot}.{address[-1]}"
        if _is(machine, now, identity):
            addresses.append(now)
        else:
            refusals.append(_companion_missing(machine, device.name, now, identity))
    return addresses, refusals


def _is(machine: Machine, address: str, identity: Identity) -> bool:
    return address in machine.pci and identity_of(machine.pci[address]).ids == identity.ids


def _companion_missing(machine: Machine, name: str, address: str, identity: Identity) -> Refusal:
    ids = f"{identity.vendor}:{identity.device}"
    if address not in machine.pci:
        return refuse("device_not_found", f"{name}: {ids}, a function of the same card, is not at {address}")
    return refuse("device_changed_identity", f"{name}: expected {ids} at {address}; now {describe(machine, address)}")


def _shared(functions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for name, addresses in functions.items():
        for address in addresses:
            if address in owner:
                yield f"{address} belongs to {owner[address]} and to {name}"
            owner[address] = name


def _driver_notes(machine: Machine, functions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, addresses in functions.items():
        for address in addresses:
            driver = machine.pci[address].driver
            if not is_vfio_driver(driver):
                where = f"on {driver or 'no driver'} now"
                yield f"{name}: {address} is {where}; the guest can't start until it is on vfio-pci"


class Ports:
    """The PCI controllers that devices are plugged into. A use keeps its controller from run to run.

    Args:
        kept: The controllers of earlier runs, by their use.
        taken: Indexes of all PCI controllers that the domain has.
    """

    def __init__(self, kept: Sequence[tuple[str, int]], taken: Iterable[int]) -> None:
        self._kept = dict(kept)
        self._taken = {0, *taken, *self._kept.values()}
        #: The controllers in use, in the order of their assignment.
        self.used: dict[str, int] = {}

    def index(self, use: str) -> int:
        """Return the index of the controller for a use."""
        if use not in self.used:
            index = self._kept.get(use)
            if index is None:
                index = next(number for number in range(1, len(self._taken) + 2) if number not in self._taken)
                self._taken.add(index)
            self.used[use] = index
        return self.used[use]


def storage_devices(machine: Machine, functions: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the names of devices that are disks or have some."""
    return frozenset(
        name for name, addresses in functions.items() if any(_is_storage(machine, address) for address in addresses)
    )


def _is_storage(machine: Machine, address: str) -> bool:
    return (machine.pci[address].class_ or "").startswith(_STORAGE)


def device_settings(
    machine: Machine,
    functions: Mapping[str, Sequence[str]],
    ports: Ports,
    cell_of: Mapping[int, int],
) -> Iterator[Setting]:
    """Yield the root ports and the functions behind them.

    Args:
        machine: The machine.
        functions: The functions of each device.
        ports: The controllers.
        cell_of: The guest's NUMA nodes by those of the host; empty where the guest has one.
    """
    for name, addresses in functions.items():
        slots = list(dict.fromkeys(map(slot_of, addresses)))
        for number, slot in enumerate(slots):
            members = [address for address in addresses if slot_of(address) == slot]
            node = machine.pci[members[0]].numa_node
            cell = cell_of.get(node) if node is not None else None
            yield from _port(ports, f"{name} {number}", cell)
            yield from _functions(members, ports.index(f"{name} {number}"))


def _port(ports: Ports, use: str, cell: int | None) -> Iterator[Setting]:
    """Yield a root port; where the guest has NUMA nodes, on an expander bus of the device's node."""
    port = element("controller", type="pci", index=ports.index(use), model=_ROOT_PORT)
    if cell is not None:
        bus = ports.index(f"node {cell}")
        expander = element(
            "controller",
            element("target", element("node", str(cell))),
            type="pci",
            index=bus,
            model=_EXPANDER_BUS,
        )
        yield _controller(bus, expander)
        # Slots of an expander bus differ as the indexes of their ports do.
        slot = f"0x{ports.index(use):02x}"
        place = element("address", type="pci", domain="0x0000", bus=f"0x{bus:02x}", slot=slot, function="0x0")
        port = port._replace(children=(place,))
    yield _controller(ports.index(use), port)


def _controller(index: int, controller: Element) -> Setting:
    return Setting(("devices",), element("controller", type="pci", index=index), controller)


def _functions(addresses: Sequence[str], bus: int) -> Iterator[Setting]:
    """Yield the functions of one slot of the host, as functions of one slot of the guest.

    They keep their numbers. Without function 0, they get the first ones: no guest looks for the others in a slot that
    has no function 0 (PCI Local Bus Specification 3.0, section 3.2.2.3.4).
    """
    numbers = [int(address[-1]) for address in addresses]
    if 0 not in numbers:
        numbers = list(range(len(numbers)))
    for address, number in zip(addresses, numbers):
        domain, host_bus, rest = address.split(":")
        host_slot, function = rest.split(".")
        at = {"domain": f"0x{domain}", "bus": f"0x{host_bus}", "slot": f"0x{host_slot}", "function": f"0x{function}"}
        source = element("source", element("address", **at))
        place = element(
            "address",
            type="pci",
            domain="0x0000",
            bus=f"0x{bus:02x}",
            slot="0x00",
            function=f"0x{number:x}",
            multifunction="on" if number == 0 and len(numbers) > 1 else None,
        )
        # managed='no': vfio-pci has the function since the boot. With 'yes', libvirt would change its driver at each
        # start and stop, and unbinding a busy GPU can hang in the kernel.
        kind = {"mode": "subsystem", "type": "pci", "managed": "no"}
        yield Setting(
            ("devices",),
            element("hostdev", source, mode="subsystem", type="pci"),
            element("hostdev", source, place, **kind),
        )
