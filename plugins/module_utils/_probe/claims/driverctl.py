# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of driverctl(8): /etc/driverctl.d has a file for each device, with the name of its driver.

A udev rule starts a unit that writes the name to driver_override. Files are named by the bus and the address, before
driverctl 0.100 by the address alone.
"""

from __future__ import annotations

from typing import Iterator

from ..._machine.claims import EACH_BOOT, TAKES, WITHHOLDS, Claim
from ..._machine.guest_drivers import driver_of
from ..parse import is_pci_address
from ..tree import Tree
from .files import MAX_FILES, content
from .functions import Functions
from .meaning import Meaning

_FOLDER = "/etc/driverctl.d"
_BUS = "pci-"
#: What driverctl writes to leave a device without any driver.
_NO_DRIVER = "none"


def read_driverctl(tree: Tree, functions: Functions) -> Iterator[Claim]:
    """Yield the claims of all files that are for PCI functions."""
    for name in tree.names(_FOLDER)[:MAX_FILES]:
        address = name[len(_BUS) :] if name.startswith(_BUS) else name
        driver = (content(tree, f"{_FOLDER}/{name}") or "").strip()
        if not is_pci_address(address) or len(driver.split()) != 1:
            continue
        effect = WITHHOLDS if driver == _NO_DRIVER else TAKES
        meaning = Meaning(None if driver == _NO_DRIVER else driver_of(driver), effect, functions.present([address]))
        yield meaning.claim("driverctl", f"{_FOLDER}/{name}", 1, driver, (EACH_BOOT,))
