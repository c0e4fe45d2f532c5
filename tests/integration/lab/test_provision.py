# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a bare machine to devices in a guest, through a new kernel and a moved card, and back to the bare machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.lab.boot_configuration import small_images, tree
from tests.integration.lab.provisioning import Desk, Run, boot_next, driver_at
from tests.lab import Lab, Machine, disks, inner

pytestmark = [pytest.mark.lab]

REBOOT = ("-e", "workstation_reboot=when_required")
# In the initramfs beside vfio-pci: the drivers that it has to be quicker than.
RIVALS = ("bochs", "snd_hda_intel", "e1000e", "xhci_pci")
SECOND_KERNEL = "dpkg --install /var/cache/vfio-lab/*.deb"


def wishes(machine: Machine) -> dict[str, Any]:
    """One of the twins with its audio function, the NIC that Ansible does not come in by, the disk without /."""
    return {
        "workstation_iommu": {},
        "workstation_devices": [
            {"name": "gpu", "select": {"address": machine.address("gpu")}},
            {"name": "nic", "select": {"model": "82574L"}},
            {"name": "disk", "select": {"class": "nvme", "address": machine.address("data_disk")}},
        ],
        "workstation_hugepages": [{"size": "2M", "memory": "64M", "at": "boot"}],
        "workstation_cpu_isolation": {"mode": "boot"},
        "workstation_memory_for_host": "1G",
    }


def fine(run: Run) -> Run:
    assert run.status == 0, run.text
    return run


@pytest.mark.parametrize("name", ["desktop", pytest.param("dual_socket", marks=pytest.mark.slow)])
def test_from_bare_to_passthrough_and_back(lab: Lab, name: str, tmp_path: Path) -> None:
    with lab.machine(name) as machine:
        machine.start()
        machine.wait_for_ssh()
        small_images(machine, *RIVALS)
        bare, bare_drivers = tree(machine), drivers(machine)
        first_kernel = machine.ssh("uname -r").stdout.strip()
        desk = Desk(machine, wishes(machine), tmp_path)

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

        machine.ssh(SECOND_KERNEL)
        machine.reboot()
        assert machine.ssh("uname -r").stdout.strip() != first_kernel
        assert_active(desk)

        move_the_card(desk)
        fine(desk.play("provision", *REBOOT))
        assert_active(desk)

        boot_next(machine, first_kernel)
        fine(desk.play("rollback", *REBOOT))
        assert drivers(machine) == bare_drivers
        machine.ssh("dpkg --purge $(dpkg-deb --show --showformat '${Package} ' /var/cache/vfio-lab/linux-image*.deb)")
        assert tree(machine) == bare
        assert machine.serial.faults() == []


def given(machine: Machine) -> list[str]:
    """The functions that the guest is to own."""
    gpu = [machine.address("gpu"), machine.address("gpu", 1)]
    return [*gpu, machine.address("second_nic"), machine.address("data_disk")]


def drivers(machine: Machine) -> dict[str, str]:
    """What each device is driven by, wherever it is."""
    names = [device.name for device in machine.hardware.devices if device.kind != "vga"]
    return {name: driver_at(machine, machine.address(name)) for name in names}


def assert_active(desk: Desk) -> None:
    """The playbook says so, and the kernel does."""
    machine = desk.machine
    fine(desk.play("verify"))
    assert [driver_at(machine, address) for address in given(machine)] == ["vfio-pci"] * 4
    # The other kernel is one for the cloud, which has no drivers for displays and sound.
    twin = [desk.driver("gpu_twin"), desk.driver("gpu_twin", 1)]
    assert twin == (["", ""] if "cloud" in machine.ssh("uname -r").stdout else ["bochs-drm", "snd_hda_intel"])
    assert desk.driver("root_disk") == "nvme"
    pages = "cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages"
    assert sum(map(int, machine.ssh(pages).stdout.split())) == 32
    assert machine.read("/sys/devices/system/cpu/isolated") != ""


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
        desk = Desk(machine, {"workstation_devices": wishes(machine)["workstation_devices"][:1]}, tmp_path)
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
