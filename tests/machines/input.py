# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input devices.

Layout: drivers/input/input.c and drivers/input/evdev.c.
"""

from __future__ import annotations

from typing import Any

from .files import Files
from .pci import Bus

#: The keys of an ordinary USB keyboard, as printed by a 64-bit kernel.
KEYBOARD = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"


def write_input(files: Files, bus: Bus, machine: dict[str, Any]) -> None:
    """Write the input devices, by the name of their event node."""
    for event, device in machine.get("input", {}).items():
        number = event[len("event") :]
        parent = bus.path(device["on"]) if device["on"] in bus.functions else f"/sys/devices/{device['on']}"
        folder = "/".join(filter(None, (parent, device.get("through"), "input", f"input{number}")))
        files.attributes(folder, {"name": device["name"], "capabilities/key": device.get("keys", KEYBOARD)})
        files.link(f"/sys/class/input/input{number}", folder)
        files.attributes(f"{folder}/{event}", {"dev": f"13:{64 + int(number)}"})
        files.link(f"{folder}/{event}/device", folder)
        files.link(f"/sys/class/input/{event}", f"{folder}/{event}")
