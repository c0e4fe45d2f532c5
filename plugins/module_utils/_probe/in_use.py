# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host would lose with a PCI function.

Each reader yields uses and the sysfs paths of the devices below them, through partitions, device mapper, md and NVMe
multipath. A use counts for every function on such a path, so that a bridge has the uses of everything below it.
"""

from __future__ import annotations

from typing import Iterable, Mapping

from .._machine import Keyboard, Use
from .block import BlockDevices, read_storage_uses
from .network import read_network_uses
from .parse import is_pci_address
from .processes import read_process_uses
from .tree import Tree


def read_uses(
    tree: Tree, groups: Mapping[str, tuple[str, ...]], keyboards: Iterable[tuple[Keyboard, str]]
) -> dict[str, tuple[Use, ...]]:
    """Return the uses of each function, by its address.

    Args:
        tree: The machine.
        groups: Members by IOMMU group: a process that holds /dev/vfio/9 open is a guest that owns group 9.
        keyboards: Keyboards with the sysfs paths of their nodes.
    """
    uses: dict[str, list[Use]] = {}
    with tree.reading("pci.in_use_by"):
        for reader in (
            read_storage_uses(tree, BlockDevices(tree)),
            read_network_uses(tree),
            read_process_uses(tree, groups),
            ((Use("keyboard", keyboard.name, keyboard.node), {path}) for keyboard, path in keyboards),
        ):
            for use, paths in reader:
                for address in addresses_of(paths):
                    uses_of_function = uses.setdefault(address, [])
                    if use not in uses_of_function:
                        uses_of_function.append(use)
    return {address: tuple(function_uses) for address, function_uses in uses.items()}


def addresses_of(paths: Iterable[str]) -> set[str]:
    """Return the addresses of all functions above devices, which are the parents in their sysfs paths."""
    return {part for path in paths for part in path.split("/") if is_pci_address(part)}
