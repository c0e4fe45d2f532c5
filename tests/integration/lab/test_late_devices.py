# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that appear in the running system: bound if they are requested, and never taken from a driver in use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.integration.lab.provisioning import REBOOT, RIVALS, Desk, driver_at, fine
from tests.lab import Lab, Machine, small_initramfs

# Its rule is held against udev in the unit tests and in test_provision.py; this one takes minutes more.
pytestmark = [pytest.mark.lab, pytest.mark.slow]

RULE = "/etc/udev/rules.d/05-vfio-workstation.rules"
BOUND, HOST = ["vfio-pci", "vfio-pci"], ["bochs-drm", "snd_hda_intel"]


def test_functions_that_appear_are_bound_and_functions_in_use_are_not(lab: Lab, tmp_path: Path) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        small_initramfs.ask_for(machine, RIVALS)
        card, twin, nic = slot(machine, "gpu"), slot(machine, "gpu_twin"), machine.address("second_nic")
        gpu = {"name": "gpu", "select": {"address": card[0]}}
        desk = Desk(machine, {"workstation_iommu": {}, "workstation_devices": [gpu]}, tmp_path)
        fine(desk.play("provision", *REBOOT))
        machine.ssh(["udevadm", "verify", RULE])
        assert (drivers_at(machine, card), drivers_at(machine, twin)) == (BOUND, HOST)

        # The drivers of both functions are loaded, for the identical card: they claim the functions before udev.
        appear_again(machine, card)
        assert (drivers_at(machine, card), drivers_at(machine, twin)) == (BOUND, HOST)
        appear_again(machine, twin)
        assert (drivers_at(machine, card), drivers_at(machine, twin)) == (BOUND, HOST)
        fine(desk.play("verify"))

        # Requested since the boot: replayed events leave it to its driver, its own appearance does not.
        desk.requests["workstation_devices"] = [gpu, {"name": "nic", "select": {"address": nic}}]
        fine(desk.play("provision"))
        machine.ssh("udevadm trigger --action=add --subsystem-match=pci && udevadm settle --timeout=180")
        appear_again(machine, twin)
        assert driver_at(machine, nic) == "e1000e"
        assert machine.read(f"/sys/bus/pci/devices/{nic}/driver_override") == "(null)"
        appear_again(machine, [nic])
        assert driver_at(machine, nic) == "vfio-pci"

        # The same files, without the gate.
        machine.ssh("grub-reboot 'vfio-workstation-fallback>0'")
        machine.reboot()
        assert "vfio_workstation" not in machine.read("/proc/cmdline")
        appear_again(machine, card)
        assert (drivers_at(machine, card), drivers_at(machine, twin)) == (HOST, HOST)
        assert driver_at(machine, nic) == "e1000e"
        assert machine.serial.faults() == []


def slot(machine: Machine, device: str) -> list[str]:
    """The display and its sound function."""
    return [machine.address(device, function) for function in (0, 1)]


def drivers_at(machine: Machine, addresses: Iterable[str]) -> list[str]:
    return [driver_at(machine, address) for address in addresses]


def appear_again(machine: Machine, addresses: Iterable[str]) -> None:
    """Remove functions as if they were unplugged, and have the kernel find them again."""
    for address in addresses:
        machine.ssh(f"echo 1 >/sys/bus/pci/devices/{address}/remove")
    machine.ssh("echo 1 >/sys/bus/pci/rescan && udevadm settle --timeout=180")
