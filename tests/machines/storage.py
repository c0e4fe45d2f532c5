# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks, stacked block devices, mounts and swap.

Layout: Documentation/ABI/stable/sysfs-block, drivers/nvme/host/multipath.c, drivers/scsi/scsi_sysfs.c.
"""

from __future__ import annotations

from typing import Any

from .files import Files, size
from .pci import Bus


class Storage:
    """The block devices of one machine, and their paths in /sys/devices."""

    def __init__(self, files: Files, bus: Bus) -> None:
        self.files = files
        self.bus = bus
        self.paths: dict[str, str] = {}
        self.numbers: dict[str, str] = {}

    def write(self, machine: dict[str, Any]) -> None:
        """Write disks, then stacked devices in the order of the description, then what uses them."""
        for name, disk in machine.get("disks", {}).items():
            self._write_disk(name, disk)
        for name, device in machine.get("stacked", {}).items():
            self._write_stacked(name, device)
        self._write_mounts(machine.get("mounts", []))
        self._write_swaps(machine.get("swaps", []))
        for name, values in machine.get("udev", {}).items():
            lines = "".join(f"E:{key}={value}\n" for key, value in values.items())
            self.files.write(f"/run/udev/data/b{self.numbers[name]}", f"I:1234567\n{lines}G:systemd\n")
        for pool in machine.get("zfs_pools", []):
            self.files.write(f"/proc/spl/kstat/zfs/{pool}/state", "ONLINE")
        for uuid, devices in machine.get("btrfs", {}).items():
            for device in devices:
                self.files.link(f"/sys/fs/btrfs/{uuid}/devices/{device}", self.paths[device])

    def _write_disk(self, name: str, disk: dict[str, Any]) -> None:
        if "subsystem" in disk:
            parent = self._write_multipath(name, disk)
        else:
            function = self.bus.path(disk["on"])
            parent = (
                self._write_controller(function, name, disk)
                if name.startswith("nvme")
                else f"{function}/{disk['through']}"
            )
        self._write_block(f"{parent}/{name}", disk["number"], disk.get("size", "1T"))
        for partition, number in disk.get("partitions", {}).items():
            self._write_block(f"{parent}/{name}/{partition}", number, "1G")
            digits = partition[len(name) :].lstrip("p")
            self.files.write(f"{parent}/{name}/{partition}/partition", digits)

    def _write_controller(self, function: str, name: str, disk: dict[str, Any]) -> str:
        controller = name[: name.index("n", 4)]
        folder = f"{function}/nvme/{controller}"
        self.files.attributes(
            folder, {"dev": disk.get("controller_number", "240:0"), "state": "live", "transport": "pcie"}
        )
        self.files.link(f"{folder}/device", function)
        self.files.link(f"/sys/class/nvme/{controller}", folder)
        return folder

    def _write_multipath(self, name: str, disk: dict[str, Any]) -> str:
        """Write the devices of native multipath: a disk below the subsystem, and a hidden path below each controller.

        The disk has no PCI device above it; only the subsystem links to its controllers.
        """
        head = f"/sys/devices/virtual/nvme-subsystem/{disk['subsystem']}"
        self.files.attributes(head, {"subsysnqn": "nqn.2014-08.org.nvmexpress:uuid:example", "iopolicy": "numa"})
        self.files.link(f"/sys/class/nvme-subsystem/{disk['subsystem']}", head)
        index, space = name[len("nvme") :].split("n")
        for controller, address in disk["controllers"].items():
            folder = self._write_controller(self.bus.path(address), f"{controller}n{space}", disk)
            self.files.link(f"{head}/{controller}", folder)
            hidden = f"nvme{index}c{controller[len('nvme') :]}n{space}"
            self.files.attributes(
                f"{folder}/{hidden}", {"hidden": 1, "size": size("1T") // 512, "ana_state": "optimized"}
            )
            self.files.link(f"/sys/class/block/{hidden}", f"{folder}/{hidden}")
            self.files.link(f"/sys/block/{hidden}", f"{folder}/{hidden}")
        return head

    def _write_stacked(self, name: str, device: dict[str, Any]) -> None:
        folder = f"/sys/devices/virtual/block/{name}"
        self._write_block(folder, device["number"], device.get("size", "1T"))
        for slave in device.get("slaves", []):
            self.files.link(f"{folder}/slaves/{slave}", self.paths[slave])
            self.files.link(f"{self.paths[slave]}/holders/{name}", folder)
        if name.startswith("dm-"):
            self.files.attributes(
                f"{folder}/dm", {"name": device["name"], "uuid": device.get("uuid", ""), "suspended": 0}
            )
            self.files.link(f"/dev/mapper/{device['name']}", f"/dev/{name}")
        if name.startswith("md"):
            self.files.attributes(f"{folder}/md", {"level": device.get("level", "raid1"), "array_state": "clean"})
        if "backing_file" in device:
            self.files.write(f"{folder}/loop/backing_file", device["backing_file"])

    def _write_block(self, folder: str, number: str, capacity: str) -> None:
        name = folder.rpartition("/")[2]
        self.paths[name] = folder
        self.numbers[name] = number
        major, minor = number.split(":")
        whole = folder.rpartition("/")[0].rpartition("/")[2] not in self.paths
        kind = "disk" if whole else "partition"
        self.files.attributes(
            folder,
            {
                "dev": number,
                "size": size(capacity) // 512,
                "ro": 0,
                "uevent": f"MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\nDEVTYPE={kind}\n",
            },
        )
        for below in ("holders", "slaves"):
            self.files.folder(f"{folder}/{below}")
        self.files.link(f"/sys/class/block/{name}", folder)
        self.files.link(f"/sys/dev/block/{number}", folder)
        if whole:
            self.files.link(f"/sys/block/{name}", folder)
        self.files.write(f"/dev/{name}", "")

    def _write_mounts(self, mounts: list[str]) -> None:
        """Write mountinfo (proc_pid_mountinfo(5)) from lines `POINT TYPE SOURCE [NUMBER] [ROOT]`.

        btrfs, ZFS and other file systems of several or no devices have an anonymous number (major 0).
        """
        lines = []
        for index, mount in enumerate(mounts):
            point, kind, source, *rest = mount.split()
            name = source.rpartition("/")[2]
            number = rest[0] if rest else self.numbers[name]
            inside = rest[1] if len(rest) > 1 else "/"
            if source.startswith("/dev/mapper/"):
                source = source.replace(" ", "\\040")
            lines.append(
                f"{22 + index} 1 {number} {inside} {point} rw,relatime shared:{index + 1} - {kind} {source} rw\n"
            )
        self.files.write("/proc/self/mountinfo", "".join(lines))

    def _write_swaps(self, swaps: list[str]) -> None:
        header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        lines = []
        for swap in swaps:
            kind = "partition" if swap.startswith("/dev/") else "file\t"
            lines.append(f"{swap:<40}{kind}\t8388604\t\t0\t\t-2\n")
        self.files.write("/proc/swaps", header + "".join(lines))
