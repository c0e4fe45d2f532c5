# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which somebody tried by hand: refused before anything is touched, and a finding once it has happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lab.boot_configuration import tree
from tests.integration.lab.provisioning import REBOOT, RIVALS, Desk, driver_at, fine
from tests.lab import Lab, Machine, small_initramfs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

#: The commonest recipe of passthrough guides. The id is the boot display's, the GPU's and its twin's.
VFIO_CONF = """\
# from a guide
options vfio-pci ids=1234:1111 disable_vga=1
softdep bochs pre: vfio-pci
"""
PATH = "/etc/modprobe.d/vfio.conf"


def boot_display(machine: Machine) -> str:
    """The function whose boot_vga is 1."""
    files = machine.ssh("grep -l 1 /sys/bus/pci/devices/*/boot_vga").stdout.split()
    return files[0].split("/")[-2]


def test_a_hand_made_set_up_that_takes_the_screen(lab: Lab, tmp_path: Path) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        small_initramfs.ask_for(machine, RIVALS)
        request = {"workstation_devices": [{"name": "gpu", "select": {"address": machine.address("gpu")}}]}
        desk = Desk(machine, request, tmp_path)
        display, gpu = boot_display(machine), machine.address("gpu")
        fine(desk.play("provision", *REBOOT))
        assert driver_at(machine, gpu) == "vfio-pci"
        fine(desk.play("verify"))

        machine.ssh(f"cat >{PATH} && update-initramfs -u", stdin=VFIO_CONF)
        before = tree(machine)
        # Refused, by file and line, before anything is touched.
        refused = desk.play("provision", *REBOOT)
        assert refused.status != 0
        assert "[claimed_by_others]" in refused.text
        assert f"{PATH}, line 2" in refused.text
        assert tree(machine) == before

        machine.reboot()
        assert driver_at(machine, display) == "vfio-pci"
        # And found afterwards, with who did it.
        found = desk.play("verify")
        assert found.status != 0
        assert "[host_device_taken]" in found.text
        assert display in found.text
        assert f"claimed by {PATH}, line 2" in found.text
        assert "everything requested is active" not in found.text

        machine.ssh(f"rm {PATH} && update-initramfs -u")
        machine.reboot()
        assert driver_at(machine, display) != "vfio-pci"
        fine(desk.play("verify"))
        assert machine.serial.faults() == []
