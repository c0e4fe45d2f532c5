# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keyboards: input devices that have all the letter keys.

Power buttons, mice and remote controls have keys too, and the kernel's handler `kbd` takes them all. Virtual devices
(uinput, Bluetooth LE) are left out: they need programs of the host, which do not run at the prompt of an initramfs.

Source: include/uapi/linux/input-event-codes.h, and input_print_bitmap() in drivers/input/input.c.
"""

from __future__ import annotations

import re

from .._machine import Keyboard
from .parse import is_pci_address
from .tree import Tree

_CLASS = "/sys/class/input"
_EVENT = re.compile(r"event[0-9]{1,6}")
_VIRTUAL = "/sys/devices/virtual/"
_BITMAP = re.compile(r"[0-9a-f]{1,16}(?: [0-9a-f]{1,16})*")
#: KEY_Q to KEY_P, KEY_A to KEY_L, KEY_Z to KEY_M.
_LETTERS = sum(1 << key for keys in (range(16, 26), range(30, 39), range(44, 51)) for key in keys)


def read_keyboards(tree: Tree) -> tuple[tuple[Keyboard, str], ...]:
    """Return the keyboards in order of their nodes, each with the sysfs path of its node."""
    keyboards = []
    with tree.reading("keyboards"):
        for node in sorted(filter(_EVENT.fullmatch, tree.names(_CLASS)), key=lambda name: int(name[len("event") :])):
            path = tree.resolve(f"{_CLASS}/{node}")
            if path is None or path.startswith(_VIRTUAL):
                continue
            device = path.rpartition("/")[0]
            if has_letters(tree.text(device + "/capabilities/key")):
                functions = [part for part in path.split("/") if is_pci_address(part)]
                name = tree.text(device + "/name") or node
                keyboards.append((Keyboard(name, node, functions[-1] if functions else None), path))
    return tuple(keyboards)


def has_letters(bitmap: str | None) -> bool:
    """Return whether a bitmap of keys has all the letters.

    The kernel prints words of its own size in hexadecimal, the highest first: of 64 bits if any has more than 8 digits.
    """
    text = (bitmap or "").strip().rstrip("\0").rstrip()
    if not _BITMAP.fullmatch(text):
        return False
    words = text.split(" ")
    bits = 64 if any(len(word) > 8 for word in words) else 32
    keys = sum(int(word, 16) << bits * position for position, word in enumerate(reversed(words)))
    return keys & _LETTERS == _LETTERS
