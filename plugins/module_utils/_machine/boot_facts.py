# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a boot looked like, for comparison with a later one, and what the check at boot found."""

from __future__ import annotations

from typing import Mapping, NamedTuple

#: What the check at boot found last, and what the last boot looked like at which everything requested was active.
LAST_CHECK_FILE = "/var/lib/vfio-workstation/last-check.json"
GOOD_BOOT_FILE = "/var/lib/vfio-workstation/good-boot.json"


class FunctionFacts(NamedTuple):
    """A PCI function."""

    identity: str  # ids, subsystem ids and class
    group: str | None
    driver: str | None


class BootFacts(NamedTuple):
    """A boot. What is unknown is None, and is not compared."""

    boot_id: str | None
    time: str | None  # of the check, "2026-11-29T07:30:00Z"; not compared
    firmware: str | None  # version and date
    kernel: str | None
    cmdline: tuple[str, ...] | None  # without what names the kernel's own files
    virtualization: str | None
    iommu: str | None
    interrupt_remapping: bool | None
    functions: Mapping[str, FunctionFacts]  # by address; without virtual and removable ones


#: Kinds of changes.
DEVICE_MOVED, DEVICE_GONE, DEVICE_NEW, DRIVER = "device_moved", "device_gone", "device_new", "driver"
GROUP_MERGED, GROUP_SPLIT = "group_merged", "group_split"
FIRMWARE, VIRTUALIZATION, IOMMU = "firmware", "virtualization", "iommu"
KERNEL, CMDLINE = "kernel", "cmdline"
KINDS = (
    *(DEVICE_MOVED, DEVICE_GONE, DEVICE_NEW, DRIVER, GROUP_MERGED, GROUP_SPLIT),
    *(FIRMWARE, VIRTUALIZATION, IOMMU, KERNEL, CMDLINE),
)


class Change(NamedTuple):
    """A difference between two boots."""

    kind: str
    text: str  # for people


class BootCheck(NamedTuple):
    """What the check at boot found."""

    time: str
    boot_id: str | None
    verdict: str  # a word of _text.verdict
    active: bool  # whether everything requested was active
    reason: str  # for people
    changes: tuple[Change, ...]  # since the last good boot
    good_boot: str | None  # time of the check at the last good boot before; None if there was none
