# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot menu as people count it: GRUB_DEFAULT=2 starts the same entry before, with and after our submenu."""

from __future__ import annotations

import pytest

from tests.integration.lab.boot_configuration import call, carry
from tests.lab import Lab, Machine

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Another system as os-prober or a person adds it, between the entries of this one's kernels and those of the
# firmware: a copy of the first entry, which tells itself by an argument. 0 is this system, 1 its submenu, 2 the other
# system.
OTHER_SYSTEM = r"""
set -eu
file=/etc/grub.d/15_other_system
printf '#!/bin/sh\nexec tail -n +3 "$0"\n' >$file
sed -n "/^menuentry '/,/^}/p" /boot/grub/grub.cfg | sed -n '1,/^}/p' |
    sed -e "1s/.*/menuentry 'Other system' --id other {/" \
        -e 's/^\([[:space:]]*linux[[:space:]].*\)/\1 lab_other=1/' >>$file
chmod +x $file
sed -i 's/^GRUB_DEFAULT=.*/GRUB_DEFAULT=2/' /etc/default/grub
update-grub
"""


def runs_other_system(machine: Machine) -> bool:
    return "lab_other=1" in machine.read("/proc/cmdline").split()


def test_a_default_by_number_keeps_its_meaning(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
        carry(machine)
        machine.ssh(OTHER_SYSTEM)
        machine.reboot()
        assert runs_other_system(machine)

        added = call(machine, "kernel_cmdline", owner="lab", args=["lab_mark=1"])
        assert (added.changed, added.failed) == (True, False), added.values
        assert added.lines("fallback")
        machine.reboot()
        assert runs_other_system(machine)

        assert call(machine, "kernel_cmdline", owner="lab", state="absent").changed
        machine.reboot()
        assert runs_other_system(machine)
        assert machine.serial.faults() == []
