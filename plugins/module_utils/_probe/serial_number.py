# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The serial number in a function's configuration space, which distinguishes identical devices in any slot.

Source: PCI Express Base Specification, "PCI Express Extended Capabilities" and "Device Serial Number Extended
Capability"; include/uapi/linux/pci_regs.h (PCI_EXT_CAP_ID_DSN).
"""

from __future__ import annotations

from typing import Callable

_FIRST = 0x100  # extended capabilities follow the 256 bytes of conventional PCI
_SERIAL_NUMBER = 0x0003
_NOTHING = (0, 0xFFFFFFFF)  # 0: the list is empty; all ones: the device does not answer


def serial_number(read: Callable[[int, int], bytes]) -> str | None:
    """Return a function's serial number, as lspci prints it: 00-11-22-ff-ff-33-44-55.

    Each read is a request to the device, so that only the words on the way to the serial number are read.

    Args:
        read: Returns up to `length` bytes of the configuration space at `offset`, called as read(offset, length).

    Returns:
        None where there is none, or where it can't be read: without root the kernel shows 64 bytes. Also None for all
        zeros and all ones, which many cards have instead of a number.
    """
    offset = _FIRST
    visited: set[int] = set()
    # A broken list may lead back to itself, or into the header.
    while offset >= _FIRST and offset not in visited:
        visited.add(offset)
        header = _word(read(offset, 4))
        if header is None or header in _NOTHING:
            return None
        if header & 0xFFFF == _SERIAL_NUMBER:
            return _number(read(offset + 4, 8))
        offset = header >> 20 & 0xFFC
    return None


def _word(content: bytes) -> int | None:
    return int.from_bytes(content, "little") if len(content) == 4 else None


def _number(content: bytes) -> str | None:
    if len(content) != 8 or content in (b"\0" * 8, b"\xff" * 8):
        return None
    # The lower word is first, and each word is little-endian.
    return "-".join(f"{byte:02x}" for byte in reversed(content))
