# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks run on a virtual workstation as a user would run them, and what the machine itself then says."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab import Machine

REBOOT = ("-e", "workstation_reboot=when_required")
# In the initramfs beside vfio-pci: the drivers that it has to be quicker than.
RIVALS = ("bochs", "snd_hda_intel", "e1000e", "xhci_pci")

# The emulated machine makes its initramfs in a minute or two, and boots in about one.
_LIMIT = 1800
_RECAP = re.compile(r"ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)")


@dataclasses.dataclass(frozen=True)
class Run:
    """A playbook's run."""

    status: int
    text: str

    @property
    def changed(self) -> int:
        """How many tasks say that they changed something."""
        match = _RECAP.search(self.text)
        assert match is not None, self.text
        return int(match.group(2))


class Desk:
    """A machine, what is asked of it, and Ansible.

    Args:
        machine: The machine, which is up.
        requests: Variables of the role workstation.
        folder: For the inventory.
        user: Who Ansible logs in as.
    """

    def __init__(self, machine: Machine, requests: dict[str, Any], folder: Path, user: str = "root") -> None:
        self.machine = machine
        self.requests = requests
        self._user = user
        self._inventory = folder / "inventory.json"

    def play(self, name: str, *more: str) -> Run:
        """Run a playbook of the collection, with the requests as the machine's variables."""
        host = {**self.machine.inventory(), **self.requests, "ansible_user": self._user}
        self._inventory.write_text(json.dumps({"all": {"hosts": {"lab": host}}}), encoding="utf-8")
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(self._inventory), *more]
        argv.append(f"vfio.workstation.{name}")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT, check=False)
        return Run(done.returncode, done.stdout + done.stderr)

    def driver(self, device: str, function: int = 0) -> str:
        """The driver that a device of the lab has now; empty without any."""
        return driver_at(self.machine, self.machine.address(device, function))


def requests(machine: Machine) -> dict[str, Any]:
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
    """The run, which succeeded."""
    assert run.status == 0, run.text
    return run


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


def driver_at(machine: Machine, address: str) -> str:
    """The driver of the function at an address; empty without any."""
    link = machine.ssh(f"readlink /sys/bus/pci/devices/{address}/driver", check=False).stdout.strip()
    return link.rsplit("/", 1)[-1]


def boot_next(machine: Machine, version: str) -> None:
    """Have GRUB's next boot be that of a kernel's ordinary entry."""
    config = "/boot/grub/grub.cfg"
    machine.ssh(
        f'menu=$(grep -o "gnulinux-advanced-[^\' ]*" {config} | head -n 1)\n'
        f'entry=$(grep -o "gnulinux-{version}-advanced-[^\' ]*" {config} | head -n 1)\n'
        'test -n "$menu" && test -n "$entry" && grub-reboot "$menu>$entry"'
    )
