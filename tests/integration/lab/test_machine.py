# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hand at the case does: power, reset, slots, snapshots; each seen by the system that boots next."""

from __future__ import annotations

import pytest

from tests.lab import Lab, Node

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_reboot_reset_and_power_cut(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        first = machine.boot_id()
        machine.ssh("echo kept >/root/flushed && sync")
        machine.reboot()
        second = machine.boot_id()
        machine.reset()
        machine.wait_for_ssh()
        third = machine.boot_id()
        machine.ssh("echo lost >/root/unflushed")
        machine.cut_power()
        machine.start()
        machine.wait_for_ssh()
        assert len({first, second, third, machine.boot_id()}) == 4
        assert machine.read("/root/flushed") == "kept"
        assert machine.ssh("cat /root/unflushed", check=False).stdout.strip() != "lost"


def test_the_case_is_opened(lab: Lab) -> None:
    """A NIC moves to a slot before the others, a twin comes, the IOMMU goes, the memory is split in two nodes."""
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        before = machine.address("second_nic")
        machine.stop()
        machine.snapshot("as it was")

        moved = machine.hardware.without("gpu_twin").moved("second_nic", port=3).with_twin("second_nic", port=9)
        machine.hardware = moved.with_iommu(None).with_nodes([Node(1536, (0,)), Node(1536, (1,))], sockets=2)
        machine.start()
        machine.wait_for_ssh()
        after = machine.address("second_nic")
        assert after != before
        assert machine.read(f"/sys/bus/pci/devices/{after}/device") == "0x10d3"
        macs = machine.ssh("cat /sys/class/net/*/address").stdout.split()
        assert {machine.mac("second_nic"), machine.mac("second_nic_twin")} <= set(macs)
        assert machine.ssh("ls /sys/kernel/iommu_groups").stdout == ""
        assert machine.read("/sys/devices/system/node/online") == "0-1"
        machine.ssh("touch /root/changed && sync")
        machine.stop()

        machine.restore("as it was")
        machine.start()
        machine.wait_for_ssh()
        assert machine.ssh("test -e /root/changed", check=False).returncode == 1
