# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lspci (pciutils)."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple


class LspciFunction(NamedTuple):
    """A function as printed by `lspci -vmmnk`; fields that are not printed are None."""

    vendor: str
    device: str
    subsystem_vendor: str | None
    subsystem_device: str | None
    class_: str  # four digits
    programming_interface: str | None
    revision: str | None
    driver: str | None
    iommu_group: str | None
    numa_node: int | None


def read_lspci(root: str = "") -> dict[str, LspciFunction]:
    """Return all functions by full address; `root` is a tree, or empty for the running machine."""
    # A path given with -O must exist; the default is that of the running machine.
    sysfs = ["-O", f"sysfs.path={root}/sys/bus/pci"] if root else []
    output = subprocess.run(
        ["lspci", "-A", "linux-sysfs", *sysfs, "-vmmnkD"],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C", "PATH": _PATH},
    ).stdout
    functions = {}
    for record in output.strip().split("\n\n"):
        if record:
            fields = dict(line.split(":\t", 1) for line in record.splitlines())
            functions[fields["Slot"]] = _function(fields)
    return functions


def read_serial_numbers(root: str) -> dict[str, str]:
    """Return the serial numbers of a tree's functions that have one, by full address."""
    output = subprocess.run(
        ["lspci", "-A", "linux-sysfs", "-O", f"sysfs.path={root}/sys/bus/pci", "-vvvnD"],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C", "PATH": _PATH},
    ).stdout
    return serial_numbers(output)


def serial_numbers(output: str) -> dict[str, str]:
    """Return the serial numbers in the output of `lspci -vvvD`, by full address."""
    numbers = {}
    for record in output.strip().split("\n\n"):
        match = re.search(r"\] Device Serial Number ([0-9a-f-]+)$", record, re.MULTILINE)
        if match:
            numbers[record.split(" ", 1)[0]] = match.group(1)
    return numbers


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def _function(fields: dict[str, str]) -> LspciFunction:
    return LspciFunction(
        vendor=fields["Vendor"],
        device=fields["Device"],
        subsystem_vendor=fields.get("SVendor"),
        subsystem_device=fields.get("SDevice"),
        class_=fields["Class"],
        programming_interface=fields.get("ProgIf"),
        revision=fields.get("Rev"),
        driver=fields.get("Driver"),
        iommu_group=fields.get("IOMMUGroup"),
        numa_node=int(fields["NUMANode"]) if "NUMANode" in fields else None,
    )
