# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution upgrade of a provisioned machine: apt's own, to a release with another kernel, systemd and Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lab.provisioning import (
    REBOOT,
    RIVALS,
    Desk,
    assert_active,
    drivers,
    fine,
    given,
    requests,
)
from tests.lab import Lab, Machine, disks, inner, small_initramfs
from tests.lab.recipe import SPARE_FOLDER

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Not root, as in most organisations: becomes it by sudo, and comes in by root's key. Its password is none that could be
# typed; without one, sshd takes the account for a locked one.
ADA = """\
set -eu
useradd --create-home --shell /bin/sh --password '*' ada
echo 'ada ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ada
install --directory --owner=ada --mode=700 /home/ada/.ssh
install --owner=ada --mode=600 /root/.ssh/authorized_keys /home/ada/.ssh/authorized_keys
"""

# The release notes' way, with what the image has of that release. Configuration files that somebody changed stay.
UPGRADE = f"""\
set -eu
find /etc/apt -type f -name '*sources*' -exec sed -i s/bookworm/trixie/g {{}} +
export DEBIAN_FRONTEND=noninteractive
apt-get --yes --quiet --no-download \\
    -o Dir::State::Lists={SPARE_FOLDER}/upgrade/lists -o Dir::Cache::Archives={SPARE_FOLDER}/upgrade/archives \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold full-upgrade
"""


def test_a_provisioned_machine_is_active_after_a_distribution_upgrade(lab: Lab, tmp_path: Path) -> None:
    with lab.machine("desktop", lab.image("bookworm", upgrade="trixie")) as machine:
        machine.start()
        machine.wait_for_ssh()
        small_initramfs.ask_for(machine, RIVALS)
        bare_drivers, bare_files = drivers(machine), of_ours(machine)
        old = machine.ssh("uname -r").stdout
        machine.ssh(ADA)
        desk = Desk(machine, requests(machine), tmp_path, user="ada")
        fine(desk.play("provision", *REBOOT))
        assert_active(desk)

        machine.ssh(UPGRADE, timeout=5400)
        assert "VERSION_CODENAME=trixie" in machine.read("/etc/os-release").splitlines()
        # Before the reboot already, what was asked for is staged for the kernel that comes.
        assert fine(desk.play("provision")).changed == 0
        machine.reboot()
        assert machine.ssh("uname -r").stdout != old
        assert_active(desk)
        report = inner.run(machine, given(machine))
        assert [disk.marker for disk in report.disks] == [disks.MARKER.format(name="data_disk")]

        boot = machine.boot_id()
        assert fine(desk.play("provision", *REBOOT)).changed == 0
        assert machine.boot_id() == boot

        fine(desk.play("rollback", *REBOOT))
        assert drivers(machine) == bare_drivers
        assert of_ours(machine) == bare_files
        assert "vfio" not in machine.read("/proc/cmdline")
        assert machine.serial.faults() == []


def of_ours(machine: Machine) -> list[str]:
    """Files of the system that are named for the collection, or speak of it."""
    names = "find /etc /boot /run/vfio-workstation /var/lib/vfio-workstation -iname '*vfio*workstation*'"
    words = "grep -rIliE 'vfio.?workstation' /etc /boot"
    return machine.ssh(f"{names}; {words}", check=False).stdout.splitlines()
