# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firmware's version, and the kernel's identifier of a boot.

Sources: Documentation/ABI/testing/sysfs-firmware-dmi-tables, proc_sys_kernel(5).
"""

from __future__ import annotations

from .tree import Tree

_FOLDER = "/sys/class/dmi/id/"


def read_firmware(tree: Tree) -> str | None:
    """Return vendor, version and date of the firmware; None where it reports none."""
    values = [tree.text(f"{_FOLDER}bios_{name}") for name in ("vendor", "version", "date")]
    return " ".join(value for value in values if value) or None


def read_boot_id(tree: Tree) -> str | None:
    """Return the identifier of the present boot."""
    return tree.text("/proc/sys/kernel/random/boot_id") or None
