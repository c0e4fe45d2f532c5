# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files for the command on the host: where they are, and the unit that runs it at each boot.

The unit delays nothing: it is ordered after multi-user.target, which it belongs to, and runs at low priority. A drop-in
of that target starts it: a plain file, where `systemctl enable` would make links.
"""

from __future__ import annotations

from .._machine.boot_facts import GOOD_BOOT_FILE, LAST_CHECK_FILE
from .._machine.initramfs import File
from .own_files import head

COMMAND_FILE = "/usr/local/bin/vfio-workstation"
UNIT = "vfio-workstation-verify.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS_FILE = "/etc/systemd/system/multi-user.target.d/vfio-workstation-verify.conf"
#: Shown at logins, by pam_motd(8). Forgotten at each boot.
MOTD_FILE = "/run/motd.d/vfio-workstation"
#: Where the textfile collector of node_exporter may read: in the first of these folders that exists.
METRICS_FILES = (
    "/var/lib/prometheus/node-exporter/vfio-workstation.prom",
    "/var/lib/node_exporter/textfile_collector/vfio-workstation.prom",
    "/var/lib/node_exporter/vfio-workstation.prom",
)
#: What the check at boot writes, which is removed with the unit.
STATE_FILES = (GOOD_BOOT_FILE, LAST_CHECK_FILE, MOTD_FILE, *METRICS_FILES)


def unit_files() -> tuple[File, ...]:
    """Return the unit and the drop-in that starts it at each boot."""
    return File(UNIT_FILE, _unit(), 0o644), File(WANTS_FILE, _drop_in(), 0o644)


def _unit() -> str:
    return f"""\
{head("compares each boot with the last good one.").rstrip()}
[Unit]
Description=Compare the host with what is requested for PCI passthrough
After=multi-user.target systemd-udev-settle.service
ConditionPathExists={COMMAND_FILE}

[Service]
Type=oneshot
ExecStart={COMMAND_FILE} verify --record
# The result is in the journal already. Standard error has what went wrong.
StandardOutput=null
# Nothing is requested any more.
SuccessExitStatus=2
TimeoutStartSec=300
Nice=19
IOSchedulingClass=idle
"""


def _drop_in() -> str:
    return f"{head('compares each boot with the last good one.')}[Unit]\nWants={UNIT}\n"
