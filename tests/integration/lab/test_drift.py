# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed since the last good boot is named at boot, by the machine itself: no controller takes part."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.integration.lab.boot_configuration import call, carry
from tests.lab import Hardware, Lab, Machine

pytestmark = [pytest.mark.lab, pytest.mark.slow]

UNIT = "vfio-workstation-verify.service"
RECORD = "/var/lib/vfio-workstation/last-check.json"


def test_each_change_is_named_at_the_boot_at_which_it_happens(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        carry(machine)
        machine.ssh("mkdir -p /etc/motd.d")
        done = call(machine, "host", iommu={}, access={"group": "kvm"})
        assert (done.failed, done.changed) == (False, True), done.values
        machine.reboot()
        assert checked(machine)["active"], checked(machine)
        assert not is_failed(machine)
        assert said(machine) == ""

        # Without consequences: it is in the journal.
        hardware = machine.hardware.with_firmware("1.21")
        check = booted(machine, hardware.moved("second_nic", port=12))
        assert check["active"]
        assert {change["kind"] for change in check["changes"]} >= {"firmware", "device_moved"}
        assert "1.21" in said(machine)
        assert not is_failed(machine)

        check = booted(machine, machine.hardware.with_iommu(None))
        assert not check["active"]
        assert "iommu" in {change["kind"] for change in check["changes"]}
        assert "IOMMU: enabled before" in said(machine)
        assert is_failed(machine)
        assert "IOMMU" in machine.read("/run/motd.d/vfio-workstation")

        check = booted(machine, hardware)
        assert check["active"]
        assert not is_failed(machine)
        assert machine.ssh("ls /run/motd.d 2>/dev/null", check=False).stdout.split() == []

        assert call(machine, "host", state="absent").changed
        left = machine.ssh(f"ls /usr/local/bin /etc/vfio-workstation {RECORD} /etc/systemd/system/{UNIT}", check=False)
        assert "vfio-workstation" not in left.stdout
        assert machine.serial.faults() == []


def booted(machine: Machine, hardware: Hardware) -> dict[str, Any]:
    """Change the machine while it is off; return what it found at its next boot."""
    machine.stop()
    machine.hardware = hardware
    machine.start()
    machine.wait_for_ssh()
    return checked(machine)


def checked(machine: Machine) -> dict[str, Any]:
    """Return what the check at this boot found, when it has ended."""
    wait = f"""
        until grep -q "$(cat /proc/sys/kernel/random/boot_id)" {RECORD}; do sleep 1; done
        while systemctl is-active {UNIT} | grep -q activating; do sleep 1; done
    """
    machine.ssh(f"timeout 600 sh -c {shlex.quote(wait)}")
    check: dict[str, Any] = json.loads(machine.read(RECORD))
    return check


def is_failed(machine: Machine) -> bool:
    return UNIT in machine.ssh("systemctl list-units --failed --plain --no-legend").stdout


def said(machine: Machine) -> str:
    """Return what the check has put into the journal at this boot."""
    return str(machine.ssh("journalctl --boot --output=cat SYSLOG_IDENTIFIER=vfio-workstation").stdout)
