# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel_cmdline on a machine that boots: the kernel gets what is staged, and the way back ends where it began."""

from __future__ import annotations

import pytest

from tests.integration.lab.boot_configuration import call, carry, install_second_kernel, purge_second_kernel, tree
from tests.lab import Lab, Machine

pytestmark = [pytest.mark.lab]

IOMMU = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
# Pairs, whose order counts.
PAGES = {"owner": "hugepages", "args": ["hugepagesz=2M hugepages=16", "lab_mark=1"]}
WANTED = "intel_iommu=on iommu=pt hugepagesz=2M hugepages=16 lab_mark=1"


def running(machine: Machine) -> str:
    return machine.read("/proc/cmdline")


@pytest.mark.parametrize(
    ("boot", "fallback"),
    [
        # `make test` changes this one's arguments in test_provision.py.
        pytest.param("uefi-grub", "grub-reboot 'vfio-workstation-fallback>{id}'", marks=pytest.mark.slow),
        pytest.param("uefi-systemd-boot", "bootctl set-oneshot '{id}.conf'", marks=pytest.mark.slow),
        pytest.param("bios-grub", "grub-reboot 'vfio-workstation-fallback>{id}'", marks=pytest.mark.slow),
    ],
)
def test_arguments_arrive_survive_a_new_kernel_and_go(lab: Lab, boot: str, fallback: str) -> None:
    with lab.machine("desktop", lab.image(boot=boot)) as machine:
        machine.start()
        machine.wait_for_ssh()
        carry(machine)
        stock, before, version = running(machine), tree(machine), machine.ssh("uname -r").stdout.strip()

        predicted = call(machine, "kernel_cmdline", check=True, **IOMMU)
        assert predicted.changed
        assert tree(machine) == before
        done = call(machine, "kernel_cmdline", **IOMMU)
        assert not done.failed, done.values
        assert done.values["entries"] == predicted.values["entries"]
        assert done.values["states"] == {"configured": True, "staged": True, "active": False}
        assert done.values["reboot_required"]
        assert call(machine, "kernel_cmdline", **PAGES).changed
        again = call(machine, "kernel_cmdline", **PAGES)
        assert (again.changed, again.tools) == (False, [])
        # What was foretold is what is there.
        foretold, found = (sorted(map(words, one.lines("fallback"))) for one in (done, again))
        assert foretold == found
        normal, other = again.lines(), again.lines("fallback")
        assert all(line.endswith(WANTED) for line in normal)
        assert other
        assert not any("iommu" in line or "lab_mark" in line for line in other)

        install_second_kernel(machine)
        with_two = call(machine, "kernel_cmdline", **PAGES)
        assert (with_two.changed, with_two.tools) == (False, []), with_two.values
        assert len(with_two.lines("fallback")) == 2
        assert all(line.endswith(WANTED) for line in with_two.lines())

        machine.reboot()
        assert running(machine).endswith(WANTED)
        assert machine.read("/proc/sys/vm/nr_hugepages") == "16"
        active = call(machine, "kernel_cmdline", **PAGES)
        assert (active.changed, active.values["states"]["active"]) == (False, True)

        # The kernel of before: the other one can't be removed while it runs.
        entries = with_two.values["entries"]
        entry = next(one["id"] for one in entries if one["role"] == "fallback" and one["kernel"] == version)
        machine.ssh(fallback.format(id=entry))
        machine.reboot()
        assert machine.ssh("uname -r").stdout.strip() == version
        assert words(running(machine)) == words(stock)
        off = call(machine, "kernel_cmdline", **PAGES)
        assert (off.changed, off.values["states"]["active"], off.values["reboot_required"]) == (False, False, True)

        purge_second_kernel(machine)
        assert call(machine, "kernel_cmdline", owner="iommu", state="absent").changed
        assert call(machine, "kernel_cmdline", owner="hugepages", state="absent").changed
        assert tree(machine) == before
        machine.reboot()
        assert words(running(machine)) == words(stock)
        assert machine.serial.faults() == []


def words(line: str) -> list[str]:
    """A command line without the image's name, which changes with the kernel."""
    return [word for word in line.split() if not word.startswith(("BOOT_IMAGE=", "initrd="))]
