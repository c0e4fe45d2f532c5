# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host does with a block device that is requested as the disk of a guest."""

from __future__ import annotations

from ..block import BlockDevices, read_storage_uses
from ..tree import Tree

#: Use.kind of a mapping that nothing uses: a logical volume that is to be a disk is one itself.
_MAPPING = "mapping"
_MOST_DEVICES = 4096


def read_disk_uses(tree: Tree, path: str) -> tuple[str, ...]:
    """Return the uses of a block device, of its partitions, and of the devices that are made of them.

    Args:
        tree: The host's files.
        path: The device; of anything else, there are none.
    """
    devices = BlockDevices(tree)
    device = devices.by_node(path)
    if device is None:
        return ()
    names = _names_above(tree, device)
    own = {device.rpartition("/")[2], *_partitions(tree, device)}
    members = [f"member of {name}" for name in sorted(names - own)]
    uses = [
        f"{use.kind.replace('_', ' ')} {use.name}"
        for use, _paths in read_storage_uses(tree, devices)
        if use.kind != _MAPPING and use.via in names
    ]
    return tuple(dict.fromkeys((*uses, *members)))


def _names_above(tree: Tree, device: str) -> set[str]:
    """Return the names of a device, of its partitions, and of all devices that are made of these."""
    names: set[str] = set()
    pending = [device]
    while pending and len(names) < _MOST_DEVICES:
        path = pending.pop()
        name = path.rpartition("/")[2]
        if name in names:
            continue
        names.add(name)
        pending += [f"{path}/{partition}" for partition in _partitions(tree, path)]
        holders = (tree.resolve(f"/sys/class/block/{holder}") for holder in tree.names(path + "/holders"))
        pending += [holder for holder in holders if holder]
    return names


def _partitions(tree: Tree, device: str) -> list[str]:
    return [name for name in tree.names(device) if tree.exists(f"{device}/{name}/partition")]
