# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The USB devices of the host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import UsbDevice
from ansible_collections.vfio.workstation.plugins.module_utils._probe.guest.usb_devices import read_usb_devices
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

DISK = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"


def connect(root: Path, port: str, vendor: str, product: str, kind: str = "00") -> None:
    place = root / f"sys/devices/pci0000:00/0000:00:14.0/usb1/{port}"
    place.mkdir(parents=True)
    for name, content in (("idVendor", vendor), ("idProduct", product), ("bDeviceClass", kind)):
        (place / name).write_text(content + "\n")
    devices = root / "sys/bus/usb/devices"
    devices.mkdir(parents=True, exist_ok=True)
    (devices / port).symlink_to(f"/sys/devices/pci0000:00/0000:00:14.0/usb1/{port}")


def test_devices_with_their_uses(tmp_path: Path) -> None:
    connect(tmp_path, "1-1", "05e3", "0610", "09")
    connect(tmp_path, "1-2", "0951", "1666")
    connect(tmp_path, "1-20", "046d", "c52b")
    connect(tmp_path, "1-3", "nonsense", "c52b")
    connect(tmp_path, "usb1", "1d6b", "0002", "09")
    connect(tmp_path, "1-2:1.0", "0951", "1666")
    (tmp_path / DISK / "1-2:1.0/block/sdb").mkdir(parents=True)
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block/8:16").symlink_to(f"/{DISK}/1-2:1.0/block/sdb")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("23 1 8:16 / /home rw - ext4 /dev/sdb rw\n")
    assert read_usb_devices(Tree(str(tmp_path))) == (
        UsbDevice("1-1", "05e3", "0610", True, ()),
        UsbDevice("1-2", "0951", "1666", False, ("mount /home",)),
        UsbDevice("1-20", "046d", "c52b", False, ()),
    )


def test_a_host_without_usb(tmp_path: Path) -> None:
    assert read_usb_devices(Tree(str(tmp_path))) == ()
