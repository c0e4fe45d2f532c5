# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of vendors and devices, from the machine's own pci.ids.

Format: described at the beginning of pci.ids(5) itself. A line for a vendor, then a line with one tab for each device.
"""

from __future__ import annotations

import re

from .tree import FILE_LIMIT, Tree

#: The paths of Debian, Fedora, Arch and openSUSE.
_PATHS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids")
_NEXT_ENTRY = re.compile(rb"\n[0-9a-fA-FC]")


class PciNames:
    """Names, searched in the text without parsing it: a machine has dozens of ids, the file tens of thousands."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._text: bytes | None = None
        self._vendors: dict[str, tuple[int, int]] = {}
        self._known: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}

    def look_up(self, vendor: str | None, device: str | None) -> tuple[str | None, str | None]:
        """Return the vendor's and the device's name, each None where unknown."""
        try:
            return self._known[vendor, device]
        except KeyError:
            names = self._known[vendor, device] = self._find(vendor, device)
            return names

    def _find(self, vendor: str | None, device: str | None) -> tuple[str | None, str | None]:
        if self._text is None:
            with self._tree.reading("pci"):
                contents = (self._tree.data(path, FILE_LIMIT) for path in _PATHS)
                self._text = b"\n" + next(filter(None, contents), b"")
        if vendor is None:
            return None, None
        start, end = self._vendor(vendor)
        if start < 0:
            return None, None
        vendor_name = self._line(start + 1 + 4)
        position = -1 if device is None else self._text.find(b"\n\t%s  " % device.encode(), start, end)
        return vendor_name, None if position < 0 else self._line(position + 2 + 4)

    def _vendor(self, vendor: str) -> tuple[int, int]:
        text = self._text or b""
        if vendor not in self._vendors:
            start = text.find(b"\n%s  " % vendor.encode())
            following = _NEXT_ENTRY.search(text, start + 1) if start >= 0 else None
            self._vendors[vendor] = (start, following.start() if following else len(text))
        return self._vendors[vendor]

    def _line(self, start: int) -> str | None:
        text = self._text or b""
        end = text.find(b"\n", start)
        name = text[start : end if end >= 0 else len(text)].decode("utf-8", "replace").strip()
        return name or None
