# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every image boots by the boot loader on its disk, with that loader's own configuration, and a change to it acts."""

from __future__ import annotations

import filecmp
import pathlib
import tempfile

import pytest

from tests.integration.lab.boot_configuration import install_second_kernel
from tests.lab import Lab, Recipe, image, recipe
from tests.lab.keys import Keys

pytestmark = [pytest.mark.lab, pytest.mark.slow]

GRUB = "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX lab_mark=1\"' >/etc/default/grub.d/zz-mark.cfg && update-grub"
SYSTEMD_BOOT = (
    "sed -i 's/$/ lab_mark=1/' /etc/kernel/cmdline && "
    'kernel-install add "$(uname -r)" "/boot/vmlinuz-$(uname -r)" "/boot/initrd.img-$(uname -r)"'
)


@pytest.mark.parametrize(
    ("suite", "boot", "kernels", "change"),
    [
        ("trixie", "uefi-grub", ("amd64", "cloud-amd64"), GRUB),
        ("trixie", "bios-grub", ("amd64",), GRUB),
        ("trixie", "uefi-systemd-boot", ("amd64",), SYSTEMD_BOOT),
        ("bookworm", "uefi-grub", ("amd64",), GRUB),
    ],
)
def test_an_image_boots_and_takes_a_changed_command_line(
    lab: Lab, suite: str, boot: str, kernels: tuple[str, ...], change: str
) -> None:
    with lab.machine("desktop", lab.image(suite, boot, kernels)) as machine:
        machine.start()
        machine.wait_for_ssh()
        assert f"VERSION_CODENAME={suite}" in machine.read("/etc/os-release").splitlines()
        assert (machine.ssh("test -d /sys/firmware/efi", check=False).returncode == 0) == boot.startswith("uefi")
        assert len(machine.ssh("ls /boot/vmlinuz-*").stdout.split()) == len(kernels)
        assert "lab_mark" not in machine.read("/proc/cmdline")

        machine.ssh(change)
        machine.reboot()

        assert "lab_mark=1" in machine.read("/proc/cmdline").split()
        assert machine.serial.faults() == []


def test_another_kernel_is_installed_and_the_old_one_removed(lab: Lab) -> None:
    """As an upgrade does it, by dpkg and its hooks, without a network; GRUB puts cloud-amd64 before amd64."""
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        old = machine.ssh("uname -r").stdout.strip()
        new = old.removesuffix("amd64") + "cloud-amd64"

        install_second_kernel(machine)
        machine.reboot()
        assert machine.ssh("uname -r").stdout.strip() == new
        assert machine.ssh("ls /sys/kernel/iommu_groups").stdout.split() != []

        machine.ssh(f"dpkg --purge linux-image-amd64 linux-image-{old}")
        machine.reboot()
        assert machine.ssh("uname -r").stdout.strip() == new
        assert machine.ssh("ls /boot/vmlinuz-*").stdout.split() == [f"/boot/vmlinuz-{new}"]
        assert machine.serial.faults() == []


@pytest.mark.parametrize("suite", recipe.SUITES)
def test_the_same_packages_make_the_same_files(lab: Lab, suite: str) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        trees = [image.file_tree(pathlib.Path(work), Recipe(suite), Keys(lab.cache / "keys")) for work in (one, other)]
        assert filecmp.cmp(*trees, shallow=False)
