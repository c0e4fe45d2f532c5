# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware becomes a command line: what must hold for every machine, and what depends on it."""

from __future__ import annotations

import itertools
import pathlib

import pytest

from tests.lab import Hardware, command, hardware, load


def line(machine: Hardware, accelerator: str = "tcg") -> list[str]:
    disks = {d.name: command.Disk(pathlib.Path(f"{d.name}.qcow2")) for d in machine.devices if d.kind in hardware.DISKS}
    return command.arguments(machine, command.Wiring(disks, 2222, pathlib.Path("variables.fd")), accelerator)


def option(arguments: list[str], name: str) -> list[str]:
    return [value for key, value in itertools.pairwise(arguments) if key == name]


@pytest.mark.parametrize("name", hardware.names())
def test_no_two_parts_share_a_name_or_a_chassis(name: str) -> None:
    devices = [dict(part.partition("=")[::2] for part in d.split(",")[1:]) for d in option(line(load(name)), "-device")]
    for key in ("id", "chassis"):
        values = [device[key] for device in devices if key in device]
        assert len(values) == len(set(values)), (key, sorted(values))


@pytest.mark.parametrize("name", hardware.names())
def test_only_this_host_gets_in_and_nothing_gets_out(name: str) -> None:
    networks = option(line(load(name)), "-netdev")
    assert all(",restrict=on" in network for network in networks)
    assert [n.split("hostfwd=")[1] for n in networks if "hostfwd" in n] == ["tcp:127.0.0.1:2222-:22"]


def test_processors_get_threads_of_their_own_only_with_an_x2apic() -> None:
    machine = load("desktop")
    assert option(line(machine), "-accel") == [command.EMULATION_X2APIC]
    assert option(line(machine.with_iommu(None)), "-accel") == [command.EMULATION_XAPIC]
    assert option(line(machine, "kvm"), "-accel") == ["kvm"]


def test_a_moved_device_is_behind_the_port_of_its_new_slot() -> None:
    devices = option(line(load("desktop").moved("second_nic", port=12)), "-device")
    assert next(d for d in devices if "id=second_nic," in d).split("bus=")[1].startswith("port_root_12,")
    assert any("id=port_root_12,bus=pcie.0,addr=0xc," in d for d in devices)
    assert not any("id=port_root_7," in d for d in devices)


def test_a_logged_disk_is_behind_the_logger() -> None:
    disks = {
        "root_disk": command.Disk(pathlib.Path("root_disk.qcow2"), log=pathlib.Path("writes.log")),
        "data_disk": command.Disk(pathlib.Path("data_disk.qcow2")),
    }
    arguments = command.arguments(load("desktop"), command.Wiring(disks, 2222, None), "tcg")
    nodes = [dict(part.partition("=")[::2] for part in node.split(",")) for node in option(arguments, "-blockdev")]
    by_name = {node["node-name"]: node for node in nodes}
    logger = by_name["disk_root_disk"]
    assert (logger["driver"], logger["log-sector-size"]) == ("blklogwrites", "512")
    assert by_name[logger["file"]]["file.filename"] == "root_disk.qcow2"
    assert by_name[logger["log"]]["filename"] == "writes.log"
    assert any("drive=disk_root_disk," in device for device in option(arguments, "-device"))
    assert [drive for drive in option(arguments, "-drive") if "data_disk" in drive]
    assert not [drive for drive in option(arguments, "-drive") if "root_disk" in drive]
