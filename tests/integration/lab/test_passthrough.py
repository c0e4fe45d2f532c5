# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passthrough, end to end: a NIC and a disk of the workstation work inside a KVM guest inside the workstation."""

from __future__ import annotations

import pytest

from tests.lab import Machine, disks, inner

pytestmark = [
    pytest.mark.lab,
    pytest.mark.parametrize("machine", ["desktop"], indirect=True, scope="session"),
]


def test_the_inner_guest_gets_the_nic_and_the_disk(machine: Machine) -> None:
    """It sees the MAC address that was soldered on, and reads the disk's marker by DMA."""
    addresses = [machine.address("second_nic"), machine.address("data_disk")]
    inner.bind_by_hand(machine, addresses)

    report = inner.run(machine, addresses)

    assert [(nic.mac, nic.driver) for nic in report.nics] == [(machine.mac("second_nic"), "e1000e")]
    assert [(disk.marker, disk.driver) for disk in report.disks] == [(disks.MARKER.format(name="data_disk"), "nvme")]
    assert machine.serial.faults() == []
