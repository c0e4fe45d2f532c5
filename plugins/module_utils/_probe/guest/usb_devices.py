# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The USB devices of the host, and what it does with them (Linux, Documentation/ABI/stable/sysfs-bus-usb)."""

from __future__ import annotations

import re

from ..._machine.guest import UsbDevice
from ..block import BlockDevices, read_storage_uses
from ..network import read_network_uses
from ..tree import Tree

_DEVICES = "/sys/bus/usb/devices"
_PORT = re.compile(r"[0-9]+-[0-9.]+", re.ASCII)
_ID = re.compile(r"[0-9a-f]{4}", re.ASCII)
_HUB = "09"  # bDeviceClass


def read_usb_devices(tree: Tree) -> tuple[UsbDevice, ...]:
    """Return all devices that are connected to ports, sorted by port."""
    uses = [
        (f"{use.kind.replace('_', ' ')} {use.name}", paths)
        for reader in (read_storage_uses(tree, BlockDevices(tree)), read_network_uses(tree))
        for use, paths in reader
    ]
    devices = []
    for port in sorted(filter(_PORT.fullmatch, tree.names(_DEVICES))):
        path = f"{_DEVICES}/{port}"
        vendor, product = tree.text(f"{path}/idVendor") or "", tree.text(f"{path}/idProduct") or ""
        if not (_ID.fullmatch(vendor) and _ID.fullmatch(product)):
            continue
        real = tree.resolve(path) or path
        own = tuple(dict.fromkeys(text for text, paths in uses if any(other.startswith(real + "/") for other in paths)))
        devices.append(UsbDevice(port, vendor, product, tree.text(f"{path}/bDeviceClass") == _HUB, own))
    return tuple(devices)
