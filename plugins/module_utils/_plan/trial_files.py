# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of trial boots: a unit that confirms or returns, and systemd's watchdog while a trial is pending."""

from __future__ import annotations

from .._machine.initramfs import File
from .._machine.trial import TRIAL_FILE
from .own_files import head

COMMAND = "/usr/local/bin/vfio-workstation"
UNIT = "vfio-workstation-trial.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
WANTS_FILE = "/etc/systemd/system/multi-user.target.d/vfio-workstation-trial.conf"
TRIAL_FILES = (UNIT_FILE, WANTS_FILE)

#: Sorts after the drop-ins of others; written with a trial, and removed when it ends.
WATCHDOG_FILE = "/etc/systemd/system.conf.d/zz-vfio-workstation-trial.conf"
#: Where somebody else may have set RuntimeWatchdogSec= (systemd-system.conf(5)).
SYSTEM_CONF = "systemd/system.conf"
SYSTEM_CONF_DIRECTORIES = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
#: Seconds; any watchdog supports it (iTCO_wdt up to 613 s, sp5100_tco up to 65535 s).
_WATCHDOG = 60
#: Ends the use of the watchdog now; systemd closes the device (watchdog.c, watchdog_setup()).
WATCHDOG_OFF = (
    *("busctl", "set-property", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
    *("org.freedesktop.systemd1.Manager", "RuntimeWatchdogUSec", "t", "0"),
)


def trial_files() -> tuple[File, ...]:
    """Return the files that a host has while trial boots are requested."""
    wants = f"{head('starts the unit of trial boots.')}[Unit]\nWants={UNIT}\n"
    return File(UNIT_FILE, _unit(), 0o644), File(WANTS_FILE, wants, 0o644)


def watchdog_text() -> str:
    """Return the content of WATCHDOG_FILE."""
    subject = "resets the machine if it hangs in a trial boot."
    return f"{head(subject)}[Manager]\nRuntimeWatchdogSec={_WATCHDOG}\n"


def _unit() -> str:
    # Not a oneshot: multi-user.target would wait for it.
    return f"""\
{head("confirms a trial boot, or returns from it.")}[Unit]
Description=Confirm a trial boot, or return to the entry without VFIO
ConditionPathExists={TRIAL_FILE}

[Service]
Type=simple
ExecStart={COMMAND} trial run
"""
