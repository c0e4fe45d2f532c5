# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Displays, sound cards, and processes that hold devices open.

Layout: Documentation/gpu/drm-uapi.rst, drivers/gpu/drm/drm_sysfs.c, drivers/video/fbdev/core/fbsysfs.c,
include/uapi/linux/screen_info.h.
"""

from __future__ import annotations

import struct
from typing import Any

from .files import Files
from .pci import Bus


def write_displays(files: Files, bus: Bus, machine: dict[str, Any]) -> None:
    """Write DRM nodes, the console's framebuffer, sound cards, and the firmware's screen_info."""
    for name, card in machine.get("drm", {}).items():
        _write_card(files, bus, name, card)
    if "framebuffer" in machine:
        framebuffer = machine["framebuffer"]
        device = _device(files, bus, framebuffer["on"])
        files.attributes(
            f"{device}/graphics/fb0", {"name": framebuffer["name"], "dev": "29:0", "virtual_size": "1920,1080"}
        )
        files.link(f"{device}/graphics/fb0/device", device)
        files.link("/sys/class/graphics/fb0", f"{device}/graphics/fb0")
    for number, address in machine.get("sound", {}).items():
        _write_sound(files, bus.path(address), int(number))
    if "screen_info" in machine:
        files.write("/sys/kernel/boot_params/data", screen_info(**machine["screen_info"]))
        files.write("/sys/kernel/boot_params/version", "0x020f")


def _device(files: Files, bus: Bus, on: str) -> str:
    """Return the folder of a function, of a platform device, or of a device below a function (`ADDRESS/NAME`)."""
    address, _slash, below = on.partition("/")
    if address not in bus.functions:
        folder = f"/sys/devices/platform/{on}"
    else:
        folder = f"{bus.path(address)}/{below}".rstrip("/")
    files.folder(folder)
    if below or address not in bus.functions:
        files.link(f"{folder}/subsystem", "/sys/bus/platform")
        files.link(f"/sys/bus/platform/devices/{folder.rpartition('/')[2]}", folder)
    return folder


def _write_card(files: Files, bus: Bus, name: str, card: dict[str, Any]) -> None:
    device = _device(files, bus, card["on"])
    minor = int(name[len("card") :])
    nodes = [(name, minor)]
    if "render" in card:
        nodes.append((card["render"], int(card["render"][len("renderD") :])))
    for node, number in nodes:
        folder = f"{device}/drm/{node}"
        files.attributes(
            folder,
            {
                "dev": f"226:{number}",
                "uevent": f"MAJOR=226\nMINOR={number}\nDEVNAME=dri/{node}\nDEVTYPE=drm_minor\n",
            },
        )
        files.link(f"{folder}/device", device)
        files.link(f"/sys/class/drm/{node}", folder)
        files.link(f"/sys/dev/char/226:{number}", folder)
        files.write(f"/dev/dri/{node}", "")
    for connector, status in card.get("connectors", {}).items():
        folder = f"{device}/drm/{name}/{name}-{connector}"
        files.attributes(folder, {"status": status, "enabled": "enabled" if status == "connected" else "disabled"})
        files.link(f"{folder}/device", f"{device}/drm/{name}")
        files.link(f"/sys/class/drm/{name}-{connector}", folder)


def _write_sound(files: Files, device: str, number: int) -> None:
    card = f"{device}/sound/card{number}"
    files.attributes(card, {"id": f"Card{number}", "number": number})
    files.link(f"{card}/device", device)
    files.link(f"/sys/class/sound/card{number}", card)
    for minor, node in enumerate((f"controlC{number}", f"pcmC{number}D0p")):
        files.attributes(
            f"{card}/{node}",
            {
                "dev": f"116:{number * 32 + minor}",
                "uevent": f"MAJOR=116\nMINOR={number * 32 + minor}\nDEVNAME=snd/{node}\n",
            },
        )
        files.link(f"{card}/{node}/device", card)
        files.link(f"/sys/class/sound/{node}", f"{card}/{node}")
        files.link(f"/sys/dev/char/116:{number * 32 + minor}", f"{card}/{node}")
        files.write(f"/dev/snd/{node}", "")


def screen_info(base: int = 0, size: int = 0, video: int = 0x70) -> bytes:
    """Return the zero page with the firmware's framebuffer; 0x70 is VIDEO_TYPE_EFI, 0x23 VIDEO_TYPE_VLFB."""
    data = bytearray(4096)
    data[0x0F] = video  # orig_video_isVGA
    struct.pack_into("<II", data, 0x18, base & 0xFFFFFFFF, size)  # lfb_base, lfb_size
    struct.pack_into("<I", data, 0x36, 2 if base >> 32 else 0)  # capabilities: VIDEO_CAPABILITY_64BIT_BASE
    struct.pack_into("<I", data, 0x3A, base >> 32)  # ext_lfb_base
    return bytes(data)


def write_processes(files: Files, processes: dict[Any, dict[str, Any]]) -> None:
    """Write the procfs files of processes: name (15 characters), arguments, and a link for each open file."""
    for pid, process in processes.items():
        folder = f"/proc/{pid}"
        arguments = str(process.get("cmdline", process["comm"])).split()
        status = f"Name:\t{process['comm'][:15]}\nPid:\t{pid}\nPPid:\t{process.get('parent', 1)}\n"
        files.attributes(
            folder,
            {
                "comm": process["comm"][:15],
                "cmdline": "".join(f"{argument}\0" for argument in arguments),
                "status": status,
                "stat": f"{pid} ({process['comm'][:15]}) S {process.get('parent', 1)} {pid} {pid} 0 -1 4194560 0 0",
            },
        )
        if "environ" in process:
            files.write(f"{folder}/environ", "".join(f"{variable}\0" for variable in process["environ"]))
        if process.get("reader"):  # the process that reads the tree, to which /proc/self links
            files.raw_link("/proc/self", str(pid))
        for descriptor, target in enumerate(["/dev/null", *process.get("open", [])]):
            files.raw_link(f"{folder}/fd/{descriptor}", target)
