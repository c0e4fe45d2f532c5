# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains with what no described machine has, defined by the real libvirt."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import HugePages, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Selector
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    WINDOWS10,
    WINDOWS11,
    DiskRequest,
    Domain,
    GuestRequest,
    LookingGlassRequest,
    UsbDevice,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import Element, parse_xml, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import Host, plan_present
from ansible_collections.vfio.workstation.plugins.module_utils._plan.relocation import record_device
from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.hosts import DISK, DOMAIN_TYPE, MEDIUM, host_of
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, cores, machine, memory

KEYBOARD = "/dev/input/by-id/usb-keyboard-event-kbd"
GPU, NIC = ("0000:41:00.0", "0000:41:00.1"), ("0000:03:00.0",)
TWO_NODES = [{"count": 4, "node": node} for node in (0, 0, 1, 1)]
FOUR_CACHES = [{"count": 4}] * 4
LOOKING_GLASS = parse_xml(
    "<domain><devices><shmem name='lg'><model type='ivshmem-plain'/><size unit='M'>64</size></shmem></devices>"
    "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-s'/>"
    "</qemu:commandline></domain>"
)


def workstation(clusters: list[dict[str, Any]], kept: range, vendor: str = "amd") -> Host:
    """Return a host with a GPU on node 1 and a NIC on node 0, and with pages on each node."""
    nodes = {address: 1 if address in GPU else 0 for address in DESKTOP}
    functions = {
        address: function._replace(driver="vfio-pci", numa_node=nodes[address]) for address, function in DESKTOP.items()
    }
    pages = memory(*(64 for _node in {cluster.get("node", 0) for cluster in clusters}))
    pools = {"1048576": HugePages(16, 16, 0)}
    by_node = {name: node._replace(hugepages=pools) for name, node in pages.nodes.items()}
    host = machine(functions, cpus=cores(clusters), memory=pages._replace(nodes=by_node))
    host = host._replace(cpu=host.cpu._replace(vendor=vendor))
    base = host_of(host, HostRecord(cpus=tuple(kept), devices=devices(host)))
    return base._replace(files=base.files._replace(paths={**base.files.paths, KEYBOARD: "character"}))


def with_usb(host: Host) -> Host:
    """Return a host with a device at the USB port 1-4.2."""
    return host._replace(files=host.files._replace(usb=(UsbDevice("1-4.2", "0951", "1666", False, ()),)))


def devices(host: Machine) -> tuple[Any, ...]:
    empty = HostRecord()
    return tuple(
        record_device(host, empty, name, 0, Selector(address=addresses[0]), addresses[:1], addresses[1:])
        for name, addresses in (("gpu", GPU), ("nic", NIC))
    )


CASES: Mapping[str, tuple[Host, GuestRequest]] = {
    "two nodes": (workstation(TWO_NODES, range(4, 32)), GuestRequest("g", WINDOWS11, ("gpu", "nic"))),
    "two nodes by request": (
        workstation(TWO_NODES, range(4, 32)),
        GuestRequest("g", LINUX, ("nic", "gpu"), memory_bytes=20 << 30, cpus=tuple(range(8, 24))),
    ),
    "dies": (workstation(FOUR_CACHES, range(8, 32)), GuestRequest("g", WINDOWS10, ("gpu",))),
    "parts of dies": (
        workstation(FOUR_CACHES, range(4, 32)),
        GuestRequest("g", LINUX, ("gpu",), cpus=(4, 5, 6, 7, 12, 13, 14, 15)),
    ),
    "security on Intel": (
        workstation(FOUR_CACHES[:1], range(2, 8), "intel"),
        GuestRequest("g", WINDOWS11, ("gpu",), virtualization_based_security=True),
    ),
    "no display": (
        workstation(FOUR_CACHES, range(8, 16)),
        GuestRequest(
            "g", LINUX, ("gpu",), disk=DiskRequest("/dev/vg/guest"), bridge="br0", display="none", evdev=(KEYBOARD,)
        ),
    ),
    "many media": (
        workstation(FOUR_CACHES, range(8, 16)),
        GuestRequest("g", WINDOWS10, (), disk=DiskRequest(DISK), isos=(MEDIUM, "/dev/vg/guest"), tpm=True),
    ),
    "usb and looking glass": (
        with_usb(workstation(FOUR_CACHES, range(8, 16))),
        GuestRequest(
            "g",
            WINDOWS11,
            ("gpu",),
            network="none",
            usb=("046d:c52b", "1-4.2"),
            looking_glass=LookingGlassRequest(3840, 2160),
            display="vnc",
        ),
    ),
    "elements of the user": (
        workstation(FOUR_CACHES, range(8, 16)),
        GuestRequest("g", WINDOWS11, ("gpu",), xml=LOOKING_GLASS),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_libvirt_defines_it_and_nothing_is_left_to_change(name: str, tmp_path: Path, libvirt: Libvirt) -> None:
    host, request = CASES[name]
    request = request._replace(domain_type=DOMAIN_TYPE)
    change = plan_present(host, request, None)
    assert change.refusals == ()
    assert change.after is not None
    libvirt.define(tmp_path / "guest.xml", render(change.after))
    stored = Domain(parse_xml(libvirt.definition("g")), is_running=False)
    again = plan_present(host, request, stored)
    assert again.after is not None
    assert render(again.after) == render(stored.xml)


def planned(name: str) -> Element:
    domain = plan_present(*CASES[name], None).after
    assert domain is not None
    return domain


def test_devices_are_on_the_nodes_of_the_guest() -> None:
    domain = planned("two nodes")
    nodes = {
        bus.get("index"): node.text for bus in domain.all("devices", "controller") for node in bus.all("target", "node")
    }
    ports = {
        port.get("index"): nodes[str(int(place.get("bus") or "", 16))]
        for port in domain.all("devices", "controller")
        for place in port.all("address")
    }
    of_function = {
        (source.get("bus"), source.get("function")): ports[str(int(place.get("bus") or "", 16))]
        for device in domain.all("devices", "hostdev")
        for source in device.all("source", "address")
        for place in device.all("address")
    }
    assert of_function == {("0x41", "0x0"): "1", ("0x41", "0x1"): "1", ("0x03", "0x0"): "0"}
    assert [(cell.get("cpus"), cell.get("memory")) for cell in domain.all("cpu", "numa", "cell")] == [
        ("0-11", "16777216"),
        ("12-27", "16777216"),
    ]


def test_topologies() -> None:
    topologies = {
        name: tuple(
            topology.get(part)
            for topology in planned(name).all("cpu", "topology")
            for part in ("dies", "cores", "threads")
        )
        for name in ("dies", "parts of dies", "no display")
    }
    assert topologies == {
        "dies": ("3", "4", "2"),
        "parts of dies": ("2", "2", "2"),
        "no display": (None, "4", "2"),
    }
    caches = [cache.get("mode") for cache in planned("parts of dies").all("cpu", "cache")]
    assert caches == ["emulate"]


def test_usb_devices_and_shared_memory() -> None:
    domain = planned("usb and looking glass")
    ids = [
        part.get("id")
        for source in domain.all("devices", "hostdev", "source")
        for part in source.elements
        if part.get("id")
    ]
    assert ids == ["0x046d", "0xc52b", "0x0951", "0x1666"]
    sizes = [(size.text, size.get("unit")) for size in domain.all("devices", "shmem", "size")]
    assert sizes == [("128", "M")]
    inputs = {(device.get("type"), device.get("bus")) for device in domain.all("devices", "input")}
    assert inputs == {("keyboard", "virtio"), ("mouse", "virtio")}


def test_passt_fits_the_schema(tmp_path: Path) -> None:
    """libvirt 9.0 of Debian 12 refuses to define it."""
    host = workstation(FOUR_CACHES, range(8, 16))
    host = host._replace(files=host.files._replace(paths={**host.files.paths, "/usr/bin/passt": "file"}))
    change = plan_present(host, GuestRequest("g", LINUX, ("gpu",), network="passt"), None)
    assert change.after is not None
    path = tmp_path / "guest.xml"
    path.write_text(render(change.after), "utf-8")
    assert "<backend type='passt'/>" in path.read_text("utf-8")
    done = subprocess.run(["virt-xml-validate", str(path), "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
