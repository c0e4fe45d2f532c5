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
        wishes: Variables of the role workstation.
        folder: For the inventory.
    """

    def __init__(self, machine: Machine, wishes: dict[str, Any], folder: Path) -> None:
        self.machine = machine
        self.wishes = wishes
        self._inventory = folder / "inventory.json"

    def play(self, name: str, *more: str) -> Run:
        """Run a playbook of the collection, with the wishes as the machine's variables."""
        host = {**self.machine.inventory(), **self.wishes}
        self._inventory.write_text(json.dumps({"all": {"hosts": {"lab": host}}}), encoding="utf-8")
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(self._inventory), *more]
        argv.append(f"vfio.workstation.{name}")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_LIMIT, check=False)
        return Run(done.returncode, done.stdout + done.stderr)

    def driver(self, device: str, function: int = 0) -> str:
        """The driver that a device of the lab has now; empty without any."""
        return driver_at(self.machine, self.machine.address(device, function))


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
