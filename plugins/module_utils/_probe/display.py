# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firmware's framebuffer, and the function whose memory it lies in.

Until a GPU's own driver loads, if it ever does, simpledrm, efifb or vesafb draw the console there.

Source: include/uapi/linux/screen_info.h and Documentation/arch/x86/zero-page.rst of the kernel.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from .tree import Folder, Tree

_ZERO_PAGE = "/sys/kernel/boot_params/data"
_ORIG_VIDEO_IS_VGA = 0x0F
_LFB_BASE = 0x18
_EXT_LFB_BASE = 0x3A
_LINEAR_FRAMEBUFFERS = (0x23, 0x70)  # VIDEO_TYPE_VLFB, VIDEO_TYPE_EFI

_RESOURCE = re.compile(r"0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x[0-9a-f]{1,16}")
_IOMEM = re.compile(
    r"^ *([0-9a-f]{1,16})-[0-9a-f]{1,16} : (?:BOOTFB|efifb|vesafb|simplefb|simple-framebuffer)", re.MULTILINE
)


class Framebuffer(NamedTuple):
    """The framebuffer in which the boot console is drawn."""

    base: int | None  # physical address
    holder: str | None  # sysfs path of the device behind the first framebuffer, if the base is unknown

    @property
    def conclusive(self) -> bool:
        """Whether a function whose memory does not contain this framebuffer cannot be the boot display."""
        return self.base is not None

    def is_in(self, folder: Folder) -> bool:
        """Return whether the framebuffer lies in the memory of the function with this folder."""
        if self.base is None:
            # simpledrm's platform device may lie below the function (drivers/firmware/sysfb.c).
            return self.holder is not None and f"{self.holder}/".startswith(f"{folder.path}/")
        for match in _RESOURCE.finditer(folder.text("resource") or ""):
            start, end = int(match.group(1), 16), int(match.group(2), 16)
            if start and start <= self.base <= end:
                return True
        return False


def read_framebuffer(tree: Tree) -> Framebuffer | None:
    """Return the boot framebuffer, or None if there is no evidence of one."""
    base = _base_from_zero_page(tree.data(_ZERO_PAGE)) or _base_from_iomem(tree)
    if base:
        return Framebuffer(base, None)
    holder = tree.resolve("/sys/class/graphics/fb0/device")
    return Framebuffer(None, holder) if holder else None


def _base_from_zero_page(page: bytes | None) -> int | None:
    if page is None or len(page) < _EXT_LFB_BASE + 4 or page[_ORIG_VIDEO_IS_VGA] not in _LINEAR_FRAMEBUFFERS:
        return None
    (low,) = struct.unpack_from("<I", page, _LFB_BASE)
    (high,) = struct.unpack_from("<I", page, _EXT_LFB_BASE)
    return int(high) << 32 | int(low)


def _base_from_iomem(tree: Tree) -> int | None:
    text = tree.text("/proc/iomem", 4 << 20) or ""
    match = _IOMEM.search(text)
    base = int(match.group(1), 16) if match else None
    if base == 0:  # without CAP_SYS_ADMIN the kernel prints zeros instead of an error
        tree.deny("/proc/iomem", None)
    return base
