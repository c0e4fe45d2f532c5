# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as values: what a description must hold, what a screwdriver changes."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest

from tests.lab import Device, Hardware, LabError, Node, command, hardware, load


@pytest.mark.parametrize("name", hardware.names())
def test_every_machine_can_be_reached_and_booted(name: str) -> None:
    machine = load(name)
    root = machine.holding("root")
    assert root is not None and root.kind in hardware.DISKS
    assert [device.kind for device in machine.devices if device.network == "ssh"] == ["virtual_nic"]


@pytest.mark.parametrize("name", hardware.names())
def test_a_machine_survives_json(name: str) -> None:
    machine = load(name)
    assert hardware.from_json(json.loads(json.dumps(dataclasses.asdict(machine)))) == machine


def test_two_devices_in_one_slot_are_refused() -> None:
    devices = (Device("one", "nic", port=3), Device("two", "usb", port=3))
    with pytest.raises(LabError, match="two and one are both in slot 3"):
        Hardware(name="board", description="", memory=512, devices=devices)


def test_nodes_own_every_socket() -> None:
    with pytest.raises(LabError, match="own the sockets"):
        load("desktop").with_nodes([Node(512, (0,)), Node(512, (1,))])


def test_a_device_on_a_bus_that_is_not_there_is_refused() -> None:
    with pytest.raises(LabError, match="does not have"):
        load("desktop").moved("gpu", bus="nowhere", port=1)


def test_moving_changes_the_slot_and_nothing_else() -> None:
    before = load("desktop")
    after = before.moved("second_nic", port=12)
    assert after.device("second_nic").port == 12
    assert after.moved("second_nic", port=7) == before


def test_a_twin_has_the_same_kind_and_another_mac() -> None:
    machine = load("desktop").with_twin("second_nic", port=12)
    twin = machine.device("second_nic_twin")
    assert twin.kind == "nic"
    assert command.mac(twin) != command.mac(machine.device("second_nic"))


def test_a_description_with_an_unknown_key_names_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "odd.yml"
    path.write_text("description: odd\nmemory: 512\nfrobnicate: true\n", encoding="utf-8")
    with pytest.raises(LabError, match=r"odd\.yml.*frobnicate"):
        load(path)
