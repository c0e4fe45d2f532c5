# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trial boots: a changed configuration is booted once, and becomes the default when it was verified."""

from __future__ import annotations

from typing import NamedTuple

#: What the boot loader starts by itself. ARMED: the configuration once, and the entry without VFIO after that.
#: STOCK: the entry without VFIO. FINAL: the configuration. All have the same length, because GRUB replaces a value of
#: the same length within the sector that it is in, which a power cut can't tear.
ARMED, STOCK, FINAL = "armed", "stock", "final"
CHOICES = (ARMED, STOCK, FINAL)

#: The phases of a trial. STAGED: the next boot is the trial. STARTED: that boot has reached its unit. CONFIRMED: it was
#: verified, and the configuration is the default. RETURNED: it was not, and the entry without VFIO is the default.
STAGED, STARTED, CONFIRMED, RETURNED = "staged", "started", "confirmed", "returned"
PHASES = (STAGED, STARTED, CONFIRMED, RETURNED)

TRIAL_FILE = "/var/lib/vfio-workstation/trial.json"
BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"


class TrialRecord(NamedTuple):
    """How far the trial of a configuration has come; stored in TRIAL_FILE."""

    phase: str
    configuration: str  # digest of what is tried
    kernel: str  # version of the kernel whose entry without VFIO is the default until the trial is confirmed
    boot: str  # boot id (random(4)) of the boot that the phase was reached in
    timeout: int = 600  # seconds after which a trial boot that was not confirmed returns
    routed: bool = False  # whether there was a default route when the trial was staged
    controller: bool = False  # whether a controller confirms, rather than the machine itself
    reason: str = ""  # of the return
    journal: tuple[str, ...] = ()  # of the boot that failed
