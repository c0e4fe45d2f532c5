# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a guest: found by name, and plugged into root ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, PciFunction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Selector
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import GuestRequest, Setting
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.devices import (
    Ports,
    device_settings,
    find_devices,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.relocation import record_device
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

GPU = ("0000:41:00.0", "0000:41:00.1")
NIC = "0000:03:00.0"


def bound(functions: Mapping[str, PciFunction] | None = None) -> Machine:
    """Return a machine with all functions on vfio-pci, by default those of the desktop."""
    present = DESKTOP if functions is None else functions
    return machine({address: function._replace(driver="vfio-pci") for address, function in present.items()})


def recorded(host: Machine, **devices: tuple[str, ...]) -> HostRecord:
    """Return a record of devices: the first function is selected, the others are in its slot."""
    empty = HostRecord()
    return HostRecord(
        tuple(
            record_device(host, empty, name, 0, Selector(address=addresses[0]), addresses[:1], addresses[1:])
            for name, addresses in devices.items()
        )
    )


def moved(changes: Mapping[str, str | None]) -> Machine:
    """Return the desktop with functions at other addresses, or removed."""
    functions = dict(DESKTOP)
    for address, now in changes.items():
        function = functions.pop(address)
        if now is not None:
            functions[now] = function
    return bound(functions)


def test_all_functions_of_a_device() -> None:
    host = bound()
    result = find_devices(host, recorded(host, gpu=GPU, nic=(NIC,)), GuestRequest("g", devices=("nic", "gpu")))
    assert result.functions == {"nic": (NIC,), "gpu": GPU}
    assert (result.refusals, result.notes) == ((), ())


def test_a_moved_device_is_followed() -> None:
    record = recorded(bound(), nic=(NIC,))
    host = moved({NIC: "0000:05:00.0"})
    assert find_devices(host, record, GuestRequest("g", devices=("nic",))).functions == {"nic": ("0000:05:00.0",)}


def test_its_other_functions_follow() -> None:
    one_gpu = {address: function for address, function in DESKTOP.items() if not address.startswith("0000:01:")}
    record = recorded(bound(one_gpu), gpu=GPU)
    functions = {address.replace("0000:41:", "0000:42:"): function for address, function in one_gpu.items()}
    result = find_devices(bound(functions), record, GuestRequest("g", devices=("gpu",)))
    assert result.functions == {"gpu": ("0000:42:00.0", "0000:42:00.1")}
    del functions["0000:42:00.1"]
    (refusal,) = find_devices(bound(functions), record, GuestRequest("g", devices=("gpu",))).refusals
    assert refusal.code == "device_not_found"
    functions["0000:42:00.1"] = DESKTOP[NIC]
    (refusal,) = find_devices(bound(functions), record, GuestRequest("g", devices=("gpu",))).refusals
    assert (refusal.code, "expected 10de:22ba at 0000:42:00.1" in refusal.seen) == ("device_changed_identity", True)


@pytest.mark.parametrize(
    ("name", "changes", "code", "seen"),
    [
        ("nics", {}, "device_not_provisioned", "the host has no device nics for guests; it has nic; did you mean nic?"),
        ("nic", {NIC: None}, "device_not_found", "10ec:8125"),
        ("nic", {NIC: None, "0000:02:00.0": NIC}, "device_changed_identity", "at that address is"),
    ],
)
def test_refused(name: str, changes: Mapping[str, str | None], code: str, seen: str) -> None:
    record = recorded(bound(), nic=(NIC,))
    (refusal,) = find_devices(moved(changes), record, GuestRequest("g", devices=(name,))).refusals
    assert refusal.code == code
    assert seen in refusal.seen


def test_nothing_is_provisioned() -> None:
    (refusal,) = find_devices(bound(), HostRecord(), GuestRequest("g", devices=("gpu",))).refusals
    assert refusal.seen == "g: the host has no device gpu for guests; it has none"


def test_a_function_belongs_to_one_device() -> None:
    host = bound()
    record = recorded(host, gpu=GPU, sound=GPU[1:])
    (refusal,) = find_devices(host, record, GuestRequest("g", devices=("gpu", "sound"))).refusals
    assert (refusal.code, refusal.seen) == ("device_ambiguous", f"g: {GPU[1]} belongs to gpu and to sound")


def test_a_device_on_another_driver_is_noted() -> None:
    host = bound({**DESKTOP, NIC: DESKTOP[NIC]})
    host = host._replace(pci={**host.pci, NIC: DESKTOP[NIC], GPU[0]: DESKTOP[GPU[0]]._replace(driver=None)})
    record = recorded(host, gpu=GPU[:1], nic=(NIC,))
    assert find_devices(host, record, GuestRequest("g", devices=("gpu", "nic"))).notes == (
        "gpu: 0000:41:00.0 is on no driver now; the guest can't start until it is on vfio-pci",
        "nic: 0000:03:00.0 is on r8169 now; the guest can't start until it is on vfio-pci",
    )


def settings(host: Machine, functions: Mapping[str, tuple[str, ...]], **options: Any) -> list[Setting]:
    return list(device_settings(host, functions, options.pop("ports", Ports((), ())), options.pop("cell_of", {})))


def places(host: Machine, functions: Mapping[str, tuple[str, ...]], **options: Any) -> list[tuple[str | None, ...]]:
    """Return the addresses of functions in the guest."""
    addresses = [setting.element.first("address") for setting in settings(host, functions, **options)]
    found = [address for address in addresses if address is not None]
    return [tuple(map(address.get, ("bus", "slot", "function", "multifunction"))) for address in found]


def test_a_card_is_one_slot_behind_a_port() -> None:
    texts = [render(setting.element) for setting in settings(bound(), {"gpu": GPU})]
    assert texts[0] == "<controller type='pci' index='1' model='pcie-root-port'/>\n"
    assert texts[1] == (
        "<hostdev mode='subsystem' type='pci' managed='no'>\n"
        "  <source>\n"
        "    <address domain='0x0000' bus='0x41' slot='0x00' function='0x0'/>\n"
        "  </source>\n"
        "  <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0' multifunction='on'/>\n"
        "</hostdev>\n"
    )
    assert places(bound(), {"gpu": GPU}) == [("0x01", "0x00", "0x0", "on"), ("0x01", "0x00", "0x1", None)]


def test_each_slot_has_a_port() -> None:
    assert places(bound(), {"nic": (NIC,), "gpu": GPU})[0] == ("0x01", "0x00", "0x0", None)
    assert places(bound(), {"both": (NIC, *GPU)})[1:] == [
        ("0x02", "0x00", "0x0", "on"),
        ("0x02", "0x00", "0x1", None),
    ]


def test_a_slot_has_a_function_0() -> None:
    assert places(bound(), {"sound": GPU[1:]}) == [("0x01", "0x00", "0x0", None)]


def test_long_domains() -> None:
    host = bound({"10000:e1:00.0": DESKTOP["0000:02:00.0"]})
    (_port, function) = settings(host, {"disk": ("10000:e1:00.0",)})
    assert "<address domain='0x10000' bus='0xe1' slot='0x00' function='0x0'/>" in render(function.element)


def test_ports_are_kept() -> None:
    ports = Ports([("gpu 0", 7)], [0, 1, 2, 7])
    assert [ports.index("nic 0"), ports.index("gpu 0"), ports.index("nic 0"), ports.index("disk 0")] == [3, 7, 3, 4]
    assert ports.used == {"nic 0": 3, "gpu 0": 7, "disk 0": 4}


def test_a_device_is_on_the_bus_of_its_node() -> None:
    host = bound({address: function._replace(numa_node=1) for address, function in DESKTOP.items()})
    port, nic_port = ("0x03", "0x00", "0x0", None), ("0x02", "0x03", "0x0", None)
    assert places(host, {"nic": (NIC,)}, cell_of={0: 0, 1: 1}) == [("0x02", "0x01", "0x0", None), ("0x01", *port[1:])]
    texts = [render(setting.element) for setting in settings(host, {"nic": (NIC,)}, cell_of={0: 0, 1: 1})]
    assert texts[0] == (
        "<controller type='pci' index='2' model='pcie-expander-bus'>\n"
        "  <target>\n    <node>1</node>\n  </target>\n"
        "</controller>\n"
    )
    assert nic_port in places(host, {"gpu": GPU, "nic": (NIC,)}, cell_of={1: 1})
    assert places(bound(), {"nic": (NIC,)}, cell_of={1: 1}) == [("0x01", "0x00", "0x0", None)]  # of no node
