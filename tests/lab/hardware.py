# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workstation's hardware as a value: read from machines/*.yml, changed by making a changed copy.

Nothing here knows QEMU: command.py turns the value into a command line.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing

import yaml

from .errors import LabError

MACHINES = pathlib.Path(__file__).parent / "machines"

DISKS = ("nvme", "virtual_disk")
# What a device can be; command.py has the functions that each is made of.
KINDS = ("vga", "gpu", "nvme", "virtual_disk", "nic", "virtual_nic", "usb", "audio")


@dataclasses.dataclass(frozen=True)
class Bus:
    """A bus beside the root complex' own: an expander (a second root complex on a node) or a conventional PCI bus."""

    name: str
    kind: str
    bus: str = "root"
    port: int | None = None
    node: int | None = None
    bus_number: int | None = None


@dataclasses.dataclass(frozen=True)
class Device:
    """One device: behind a root port of its own (``port``), or directly on a bus (``slot``)."""

    name: str
    kind: str
    bus: str = "root"
    port: int | None = None
    slot: int | None = None
    holds: str | None = None
    network: str | None = None


@dataclasses.dataclass(frozen=True)
class Node:
    """A NUMA node: its memory in MiB and the sockets that belong to it."""

    memory: int
    sockets: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Everything that a power-off allows to be changed."""

    name: str
    description: str
    memory: int
    sockets: int = 1
    cores: int = 2
    threads: int = 2
    iommu: str | None = "intel"
    firmware: str | None = None  # the version that it reports; None: its own
    nodes: tuple[Node, ...] = ()
    buses: tuple[Bus, ...] = ()
    devices: tuple[Device, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def device(self, name: str) -> Device:
        """The device of that name."""
        for device in self.devices:
            if device.name == name:
                return device
        raise LabError(
            f"the machine {self.name} has no device {name}; it has {', '.join(d.name for d in self.devices)}"
        )

    def holding(self, content: str) -> Device | None:
        """The device that holds the root file system, or the marker."""
        return next((device for device in self.devices if device.holds == content), None)

    # ------------------------------------------------------------------ what a screwdriver does

    def moved(self, name: str, *, bus: str | None = None, port: int | None = None, slot: int | None = None) -> Hardware:
        """With a device in another slot: its address changes, and often those of others."""
        old = self.device(name)
        new = dataclasses.replace(old, bus=bus or old.bus, port=port, slot=slot)
        return dataclasses.replace(self, devices=tuple(new if d.name == name else d for d in self.devices))

    def with_device(self, device: Device) -> Hardware:
        """With one device more, as the last one."""
        return dataclasses.replace(self, devices=(*self.devices, device))

    def with_twin(self, name: str, *, port: int, twin: str | None = None) -> Hardware:
        """With a second device of the same ids as the named one, on a root port of its own."""
        old = self.device(name)
        return self.with_device(
            dataclasses.replace(old, name=twin or f"{name}_twin", port=port, slot=None, holds=None, network=None)
        )

    def without(self, name: str) -> Hardware:
        """With that device taken out."""
        self.device(name)
        return dataclasses.replace(self, devices=tuple(d for d in self.devices if d.name != name))

    def with_iommu(self, iommu: str | None) -> Hardware:
        """With another IOMMU, or none."""
        return dataclasses.replace(self, iommu=iommu)

    def with_firmware(self, version: str) -> Hardware:
        """With firmware that reports another version, as after an update."""
        return dataclasses.replace(self, firmware=version)

    def with_nodes(self, nodes: typing.Iterable[Node], sockets: int | None = None) -> Hardware:
        """With another NUMA layout; the memory is that of the nodes."""
        layout = tuple(nodes)
        total = sum(node.memory for node in layout) if layout else self.memory
        return dataclasses.replace(self, nodes=layout, memory=total, sockets=sockets or self.sockets)


def load(name_or_path: str | pathlib.Path) -> Hardware:
    """The machine of that name in machines/, or the one that a YAML file describes."""
    path = pathlib.Path(name_or_path)
    if path.suffix != ".yml":
        path = MACHINES / f"{name_or_path}.yml"
    if not path.is_file():
        raise LabError(f"there is no machine {name_or_path}: the lab has {', '.join(names())}")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return _from_mapping(path.stem, raw)
    except (TypeError, KeyError) as error:
        raise LabError(f"{path}: {error}") from error


def from_json(saved: dict[str, typing.Any]) -> Hardware:
    """The value that dataclasses.asdict() and JSON made of it, back."""
    values = dict(saved)
    values["nodes"] = tuple(Node(node["memory"], tuple(node["sockets"])) for node in saved["nodes"])
    values["buses"] = tuple(Bus(**bus) for bus in saved["buses"])
    values["devices"] = tuple(Device(**device) for device in saved["devices"])
    return Hardware(**values)


def names() -> list[str]:
    """The machines that the lab ships."""
    return sorted(path.stem for path in MACHINES.glob("*.yml"))


def _from_mapping(name: str, raw: dict[str, typing.Any]) -> Hardware:
    values = dict(raw)
    cpus = values.pop("cpus", {})
    nodes = tuple(Node(node["memory"], tuple(node["sockets"])) for node in values.pop("nodes", ()))
    buses = tuple(Bus(**bus) for bus in values.pop("buses", ()))
    devices = tuple(Device(**device) for device in values.pop("devices", ()))
    if nodes:
        values["memory"] = sum(node.memory for node in nodes)
    return Hardware(name=name, nodes=nodes, buses=buses, devices=devices, **cpus, **values)


def _check(hardware: Hardware) -> None:
    """Say what is wrong with a description here, in its own terms, instead of in QEMU's."""
    buses = {"root"} | {bus.name for bus in hardware.buses}
    for device in hardware.devices:
        if device.kind not in KINDS:
            raise LabError(
                f"{hardware.name}: {device.name} is of unknown kind {device.kind}; known: {', '.join(KINDS)}"
            )
        if (device.port is None) == (device.slot is None):
            raise LabError(f"{hardware.name}: {device.name} needs one of port and slot")
    places = [(bus.name, bus.bus, bus.port) for bus in hardware.buses]
    places += [(d.name, d.bus, d.slot if d.port is None else d.port) for d in hardware.devices]
    taken: dict[tuple[str, int], str] = {}
    for name, on, slot in places:
        if on not in buses:
            raise LabError(f"{hardware.name}: {name} is on the bus {on}, which the machine does not have")
        if slot is not None and taken.setdefault((on, slot), name) != name:
            raise LabError(f"{hardware.name}: {name} and {taken[on, slot]} are both in slot {slot} of {on}")
    every = [device.name for device in hardware.devices]
    if len(set(every)) != len(every):
        raise LabError(f"{hardware.name}: two devices have the same name")
    owned = sorted(socket for node in hardware.nodes for socket in node.sockets)
    if hardware.nodes and owned != list(range(hardware.sockets)):
        raise LabError(f"{hardware.name}: the nodes own the sockets {owned}, the machine has {hardware.sockets}")
