# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a bare machine to devices in a guest, through a new kernel and a moved card, and back to the bare machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lab.boot_configuration import install_second_kernel, purge_second_kernel, tree
from tests.integration.lab.provisioning import (
    REBOOT,
    RIVALS,
    Desk,
    assert_active,
    boot_next,
    driver_at,
    drivers,
    fine,
    given,
    requests,
)
from tests.lab import Lab, disks, inner, small_initramfs

pytestmark = [pytest.mark.lab]


@pytest.mark.parametrize("name", ["desktop", pytest.param("dual_socket", marks=pytest.mark.slow)])
def test_from_bare_to_passthrough_and_back(lab: Lab, name: str, tmp_path: Path) -> None:
    with lab.machine(name) as machine:
        machine.start()
        machine.wait_for_ssh()
        small_initramfs.ask_for(machine, RIVALS)
        bare, bare_drivers = tree(machine), drivers(machine)
        first_kernel = machine.ssh("uname -r").stdout.strip()
        desk = Desk(machine, requests(machine), tmp_path)

        # Check mode says what would be done, and does nothing.
        foretold = fine(desk.play("provision", "--check", "--diff"))
        assert "vfio_workstation=1" in foretold.text
        assert tree(machine) == bare
        assert desk.play("verify").status != 0

        fine(desk.play("provision", *REBOOT))
        assert_active(desk)
        report = inner.run(machine, given(machine))
        assert [(nic.mac, nic.driver) for nic in report.nics] == [(machine.mac("second_nic"), "e1000e")]
        assert [disk.marker for disk in report.disks] == [disks.MARKER.format(name="data_disk")]
        assert {function.pci_class[:4] for function in report.functions} >= {"0380", "0403", "0200", "0108"}

        boot = machine.boot_id()
        again = fine(desk.play("provision", *REBOOT))
        assert (again.changed, machine.boot_id()) == (0, boot)

        install_second_kernel(machine)
        machine.reboot()
        assert machine.ssh("uname -r").stdout.strip() != first_kernel
        assert_active(desk)

        move_the_card(desk)
        fine(desk.play("provision", *REBOOT))
        assert_active(desk)

        boot_next(machine, first_kernel)
        fine(desk.play("rollback", *REBOOT))
        assert drivers(machine) == bare_drivers
        purge_second_kernel(machine)
        assert tree(machine) == bare
        assert machine.serial.faults() == []


def move_the_card(desk: Desk) -> None:
    """Put the card into the last slot: the firmware numbers all others anew, and a twin is where it was."""
    machine = desk.machine
    before = machine.address("gpu")
    machine.stop()
    moved = machine.hardware.device("gpu")
    port = {"bus": "second_socket", "port": 5} if moved.bus == "second_socket" else {"port": 9}
    machine.hardware = machine.hardware.moved("gpu", **port)
    machine.start()
    machine.wait_for_ssh()
    assert machine.address("gpu") != before
    # What is at the old address now is the twin, and it is not taken for the card that was meant.
    assert machine.address("gpu_twin") == before
    assert "vfio-pci" not in [desk.driver("gpu_twin"), desk.driver("gpu_twin", 1)]
    assert desk.driver("root_disk") == "nvme"
    assert desk.play("verify").status != 0


@pytest.mark.slow
def test_another_device_in_the_old_place_is_refused(lab: Lab, tmp_path: Path) -> None:
    """The card is gone, and a twin of the NIC is where it was."""
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        desk = Desk(machine, {"workstation_devices": requests(machine)["workstation_devices"][:1]}, tmp_path)
        before = machine.address("gpu")
        fine(desk.play("provision", *REBOOT))
        machine.stop()
        machine.hardware = machine.hardware.without("gpu").without("gpu_twin").with_twin("second_nic", port=2)
        machine.start()
        machine.wait_for_ssh()
        assert machine.address("second_nic_twin") == before
        assert driver_at(machine, before) == "e1000e"
        kept = tree(machine)
        refused = desk.play("provision", *REBOOT)
        assert refused.status != 0
        assert "device_changed_identity" in refused.text
        assert tree(machine) == kept


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("cramped", "group_shared_with_host"), ("no_iommu", "iommu_absent")])
def test_what_can_not_be_is_refused_and_nothing_is_touched(lab: Lab, name: str, code: str, tmp_path: Path) -> None:
    with lab.machine(name) as machine:
        machine.start()
        machine.wait_for_ssh()
        bare = tree(machine)
        gpu = {"name": "gpu", "select": {"address": machine.address("gpu")}}
        desk = Desk(machine, {"workstation_iommu": {}, "workstation_devices": [gpu]}, tmp_path)
        refused = desk.play("provision", *REBOOT)
        assert refused.status != 0
        assert code in refused.text
        assert tree(machine) == bare
