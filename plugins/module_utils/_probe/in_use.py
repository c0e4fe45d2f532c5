# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host would lose with a PCI function.

Each finder names something in use and the device nodes under it; `_Holders` follows a device to the functions above it,
through partitions, device mapper, md and NVMe multipath. A bridge is charged with everything below it.
"""

from __future__ import annotations

from typing import Iterable, Mapping

from .._machine import Use
from .block import BlockDevices, read_storage_uses
from .network import read_network_uses
from .parse import is_pci_address
from .processes import read_process_uses
from .tree import Tree


def read_uses(tree: Tree, groups: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Use, ...]]:
    """Return what is in use, by the address of the function that it hangs on.

    Args:
        tree: The machine.
        groups: Members by IOMMU group: an open /dev/vfio/9 is a virtual machine that owns the members of group 9.
    """
    uses: dict[str, list[Use]] = {}
    with tree.reading("pci.in_use_by"):
        for finder in (
            read_storage_uses(tree, BlockDevices(tree)),
            read_network_uses(tree),
            read_process_uses(tree, groups),
        ):
            for use, paths in finder:
                for address in addresses_of(paths):
                    known = uses.setdefault(address, [])
                    if use not in known:
                        known.append(use)
    return {address: tuple(found) for address, found in uses.items()}


def addresses_of(paths: Iterable[str]) -> set[str]:
    """Return the addresses of all functions on the way to devices: sysfs' folders show who hangs on whom."""
    return {part for path in paths for part in path.split("/") if is_pci_address(part)}
