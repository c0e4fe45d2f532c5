# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image tells of itself: the sections of an EFI program or unified kernel image, the header of a kernel."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .versions import is_version

if TYPE_CHECKING:
    from ..tree import Tree

_MOST_SECTIONS = 96  # the PE format's limit for images
_TEXT_LIMIT = 65536

# Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
_SETUP = 0x200
_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_VERSION_AT = 0x20E


class Sections:
    """The named sections of a PE file; none where it is not one.

    Args:
        tree: The machine.
        file: Path of the image. Its headers and the sections asked for are read, never all of it.
    """

    def __init__(self, tree: Tree, file: str) -> None:
        self._tree = tree
        self._file = file
        self._places = _section_places(tree, file)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def size(self, name: str) -> int | None:
        """Return how many bytes a section's content has, or None."""
        place = self._places.get(name)
        return None if place is None else place[1]

    @property
    def end(self) -> int:
        """How many bytes the file has at least, if it is whole."""
        return max((at + size for at, size in self._places.values()), default=0)

    def text(self, name: str) -> str | None:
        """Return a section's text without its padding, or None."""
        place = self._places.get(name)
        content = None if place is None else self._tree.section(self._file, place[0], min(place[1], _TEXT_LIMIT))
        return None if content is None else content.decode("utf-8", "replace").strip("\0 \t\r\n")


def kernel_release(tree: Tree, file: str) -> str | None:
    """Return the version in the header of an x86 kernel image, as `uname -r` says it, or None."""
    header = tree.section(file, _SETUP, 0x10)
    if header is None or len(header) < 0x10 or header[_MAGIC_AT - _SETUP :][:4] != _MAGIC:
        return None
    (offset,) = struct.unpack_from("<H", header, _VERSION_AT - _SETUP)
    content = tree.section(file, _SETUP + offset, 160) if offset else None
    words = (content or b"").split(b"\0", 1)[0].decode("ascii", "replace").split()
    return words[0] if words and is_version(words[0]) else None


def own_names(sections: Sections) -> tuple[str, ...]:
    """Return what an EFI program calls itself, in systemd-boot's magic text or in its SBAT data (shim's SBAT.md)."""
    magic = (sections.text(".sdmagic") or "").partition("LoaderInfo: ")[2]
    components = [line.partition(",")[0].strip() for line in (sections.text(".sbat") or "").splitlines()]
    return (magic, *components)


def _section_places(tree: Tree, file: str) -> dict[str, tuple[int, int]]:
    start = tree.section(file, 0, 64)
    if start is None or len(start) < 64 or start[:2] != b"MZ":
        return {}
    (pe_at,) = struct.unpack_from("<I", start, 0x3C)
    header = tree.section(file, pe_at, 24)
    if header is None or len(header) < 24 or header[:4] != b"PE\0\0":
        return {}
    count, optional_size = struct.unpack_from("<H", header, 6)[0], struct.unpack_from("<H", header, 20)[0]
    table = tree.section(file, pe_at + 24 + optional_size, 40 * min(count, _MOST_SECTIONS)) or b""
    places: dict[str, tuple[int, int]] = {}
    for entry in range(0, len(table) - 39, 40):
        name = table[entry : entry + 8].rstrip(b"\0").decode("ascii", "replace")
        virtual_size, _address, raw_size, raw_at = struct.unpack_from("<IIII", table, entry + 8)
        # The first of a name is the base; those after a .profile section belong to profiles chosen by hand.
        places.setdefault(name, (raw_at, min(virtual_size, raw_size) or raw_size))
    return places
