# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims: everything on a host that takes a PCI function from the host's driver, managed or foreign."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Effects. TAKES binds functions to the driver. WITHHOLDS keeps the host's driver from them. ORDERS loads the driver
#: early, which binds nothing without ids or an override. RECOGNISED is a script that mentions such a driver and that a
#: program can't understand. NOTED binds nothing, but matters to passthrough: pcie_acs_override.
TAKES, WITHHOLDS, ORDERS, RECOGNISED, NOTED = "takes", "withholds", "orders", "recognised", "noted"
EFFECTS = (TAKES, WITHHOLDS, ORDERS, RECOGNISED, NOTED)

#: Where a claim applies, besides the identifiers of boot entries and the paths of initramfs images: the running kernel,
#: the booted system, entries and images that are generated from now on, and the start of a guest.
RUNNING, EACH_BOOT, NEW_ENTRIES, NEW_IMAGES, GUEST_START = (
    "running",
    "each boot",
    "new entries",
    "new images",
    "guest start",
)

#: Where claims are read from.
KINDS = (
    "cmdline",
    "modprobe_options",
    "modprobe_softdep",
    "modprobe_install",
    "modprobe_alias",
    "modprobe_blacklist",
    "modules_load",
    "driverctl",
    "udev_rule",
    "initramfs_modules",
    "initramfs_script",
    "libvirt",
    "libvirt_hook",
    "systemd_unit",
    "boot_script",
)


class Claim(NamedTuple):
    """A line or word in a file."""

    kind: str  # of KINDS
    path: str
    line: int | None  # counted from 1; None in a binary file
    text: str  # the line or word as written
    origin: str | None  # the variable that holds it and the program that wrote that, or the file that runs it
    driver: str | None  # "vfio-pci", "pci-stub", "pciback"...; None where it names none
    effect: str  # of EFFECTS
    addresses: tuple[str, ...]  # of the functions on this machine that it concerns, in bus order
    applies_to: tuple[str, ...]  # () where nothing reads it
    managed: bool  # written by this collection


_RUN_BY = re.compile(r"run by (/.+), line ([0-9]+)")


def run_by(path: str, line: int) -> str:
    """Return the origin of a claim in a script that a line of configuration runs."""
    return f"run by {path}, line {line}"


def configured_at(claim: Claim) -> tuple[str, int | None]:
    """Return the path and the line of the configuration that makes a claim: of a script, the line that runs it."""
    match = _RUN_BY.fullmatch(claim.origin or "")
    return (match.group(1), int(match.group(2))) if match else (claim.path, claim.line)
