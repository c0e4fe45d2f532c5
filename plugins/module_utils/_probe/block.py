# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Storage in use: file systems, swap, ZFS pools, and stacked devices (device mapper, md, bcache)."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from .._machine import Use
from .parse import key_values
from .tree import FILE_LIMIT, Tree

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_NUMBER = re.compile(r"[0-9]{1,5}:[0-9]{1,8}")
_STACKED = re.compile(r"(?:dm-|md|bcache)[0-9]")
_MOST_LAYERS = 16


class Mount(NamedTuple):
    """A mount."""

    number: str  # MAJOR:MINOR; the major is 0 for file systems that span devices
    inside: str  # the folder of the file system that is mounted
    point: str
    kind: str
    source: str
    is_read_only: bool = False


class BlockDevices:
    """Block devices, and the devices in sysfs below them."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._mapped: dict[str, str] | None = None

    def by_number(self, number: str) -> str | None:
        """Return the sysfs path of the block device MAJOR:MINOR."""
        return self._tree.resolve("/sys/dev/block/" + number) if _NUMBER.fullmatch(number) else None

    def by_node(self, node: str) -> str | None:
        """Return the sysfs path of a block device named by its node, `/dev/sda1` or `/dev/mapper/root`."""
        if not node.startswith("/dev/"):
            return None
        real = self._tree.resolve(node) or node  # a captured tree may lack /dev
        path = self._tree.resolve("/sys/class/block/" + real.rpartition("/")[2])
        return path or self._mappings().get(node.rpartition("/")[2])

    def paths(self, device: str) -> set[str]:
        """Return the sysfs paths of the lowest devices below a block device, or its own path if there are none."""
        bottom: set[str] = set()
        visited: set[str] = set()
        pending = [device]
        while pending and len(visited) < 4096:
            path = pending.pop()
            if path in visited:
                continue
            visited.add(path)
            below = self._below(path)
            pending.extend(below)
            if not below:
                bottom.add(path)
        return bottom

    def all(self) -> Iterator[tuple[str, str]]:
        """Yield the name and sysfs path of each block device and partition."""
        for name in self._tree.names("/sys/class/block"):
            path = self._tree.resolve("/sys/class/block/" + name)
            if path is not None:
                yield name, path

    def _below(self, path: str) -> list[str]:
        tree = self._tree
        parent = path.rpartition("/")[0]
        # A partition of a stacked device has no slaves of its own, its disk has.
        for disk in (path, parent):
            below = [tree.resolve(f"{disk}/slaves/{name}") for name in tree.names(disk + "/slaves")]
            if below:
                return [slave for slave in below if slave]
        # With native multipath a namespace is below the subsystem, which links to its controllers.
        head, marker, rest = path.partition("/nvme-subsystem/")
        if marker:
            subsystem = head + marker + rest.partition("/")[0]
            linked = tree.targets(subsystem) or {}
            controllers = [tree.resolve(f"{subsystem}/{name}") for name in linked if name.startswith("nvme")]
            return [controller for controller in controllers if controller]
        return []

    def _mappings(self) -> dict[str, str]:
        if self._mapped is None:
            self._mapped = {}
            for name in self._tree.names("/sys/class/block"):
                if name.startswith("dm-"):
                    label = self._tree.text(f"/sys/class/block/{name}/dm/name")
                    path = self._tree.resolve("/sys/class/block/" + name)
                    if label and path:
                        self._mapped[label] = path
        return self._mapped


def read_storage_uses(tree: Tree, devices: BlockDevices) -> Iterator[tuple[Use, set[str]]]:
    """Yield each use of storage with the sysfs paths of the devices under it."""
    mounts = read_mounts(tree)
    taken: set[str] = set()
    for mount in _distinct(mounts):
        for device in _devices_of(tree, devices, mount):
            taken.add(device)
            yield Use("mount", mount.point, device.rpartition("/")[2]), devices.paths(device)
    for name, swap_devices in _swaps(tree, devices, mounts):
        taken.update(swap_devices)
        for device in swap_devices:
            yield Use("swap", name, device.rpartition("/")[2]), devices.paths(device)
    for pool, device in _zfs_members(tree, devices):
        yield Use("zfs_pool", pool, device.rpartition("/")[2]), devices.paths(device)
    for name, path in devices.all():
        # A mapping that is not mounted may still be in use: a guest's disk, an array that is being assembled.
        if _STACKED.match(name) and path not in taken and not tree.names(path + "/holders"):
            label = tree.text(path + "/dm/name") or name
            yield Use("mapping", label, name), devices.paths(path)


def read_mounts(tree: Tree) -> list[Mount]:
    """Return the mounts from mountinfo (proc_pid_mountinfo(5)), or from the older table where a capture lacks it."""
    mounts = []
    text = tree.text("/proc/self/mountinfo", FILE_LIMIT)
    for line in (text or "").splitlines():
        before, _dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if len(left) >= 6 and len(right) >= 2:
            is_read_only = "ro" in (*left[5].split(","), *"".join(right[2:]).split(","))
            mounts.append(Mount(left[2], _plain(left[3]), _plain(left[4]), right[0], _plain(right[1]), is_read_only))
    if text is None:
        older = tree.text("/proc/self/mounts", FILE_LIMIT) or tree.text("/proc/mounts", FILE_LIMIT) or ""
        for line in older.splitlines():
            words = line.split(" ")
            if len(words) >= 3:
                mounts.append(Mount("0:0", "/", _plain(words[1]), words[2], _plain(words[0])))
    return mounts


def _distinct(mounts: list[Mount]) -> Iterator[Mount]:
    """Yield each mount once, without bind mounts of it: containers create hundreds."""
    known: set[tuple[str, str, str]] = set()
    for mount in mounts:
        key = (mount.number, mount.inside, mount.source)
        if key not in known:
            known.add(key)
            yield mount


def _devices_of(tree: Tree, devices: BlockDevices, mount: Mount) -> list[str]:
    if not mount.number.startswith("0:"):
        device = devices.by_number(mount.number) or devices.by_node(mount.source)
        return [device] if device else []
    # The source of bcachefs lists all devices, separated by colons; that of btrfs names one, and sysfs has the others.
    candidates = [devices.by_node(node) for node in mount.source.split(":")[:_MOST_LAYERS]]
    present = [device for device in candidates if device]
    if mount.kind == "btrfs" and present:
        for volume in tree.names("/sys/fs/btrfs"):
            members = [
                tree.resolve(f"/sys/fs/btrfs/{volume}/devices/{name}")
                for name in tree.names(f"/sys/fs/btrfs/{volume}/devices")
            ]
            if present[0] in members:
                return [member for member in members if member]
    return present


def _swaps(tree: Tree, devices: BlockDevices, mounts: list[Mount]) -> Iterator[tuple[str, list[str]]]:
    for line in (tree.text("/proc/swaps") or "").splitlines()[1:]:
        words = line.split()
        if len(words) < 2:
            continue
        name = _plain(words[0])
        if words[1] == "partition":
            device = devices.by_node(name)
            yield name, [device] if device else []
            continue
        under = [mount for mount in mounts if name.startswith(mount.point.rstrip("/") + "/")]
        if under:
            yield name, _devices_of(tree, devices, max(under, key=lambda mount: len(mount.point)))


def _zfs_members(tree: Tree, devices: BlockDevices) -> Iterator[tuple[str, str]]:
    """Yield imported pools with their devices. ZFS lists no members in sysfs; udev's database has their labels."""
    pools = set(tree.names("/proc/spl/kstat/zfs"))
    for _name, path in devices.all() if pools else ():
        properties = key_values(tree.text("/run/udev/data/b{}".format(tree.text(path + "/dev"))))
        if properties.get("E:ID_FS_TYPE") == "zfs_member" and properties.get("E:ID_FS_LABEL") in pools:
            yield properties["E:ID_FS_LABEL"], path


def _plain(text: str) -> str:
    """Return a name without the kernel's octal escapes for white space and backslashes."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
