# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers of images: the sections of an EFI program or unified kernel image, the version in a kernel image."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .versions import is_version

if TYPE_CHECKING:
    from ..tree import Tree

_MAX_SECTIONS = 96  # the PE format's limit for images
_TEXT_LIMIT = 65536

# Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
_SETUP = 0x200
_MAGIC_OFFSET, _MAGIC = 0x202, b"HdrS"
_VERSION_OFFSET = 0x20E


class Sections:
    """The named sections of a PE file; empty for any other file.

    Args:
        tree: The machine's files.
        file: Path of the image. Only its headers and the requested sections are read.
    """

    def __init__(self, tree: Tree, file: str) -> None:
        self._tree = tree
        self._file = file
        self._ranges = _section_ranges(tree, file)

    def __contains__(self, name: str) -> bool:
        return name in self._ranges

    def size(self, name: str) -> int | None:
        """Return the size of a section's content in bytes, or None if there is no such section."""
        section = self._ranges.get(name)
        return None if section is None else section[1]

    @property
    def end(self) -> int:
        """Size in bytes below which the file is truncated."""
        return max((offset + size for offset, size in self._ranges.values()), default=0)

    def text(self, name: str) -> str | None:
        """Return a section's text without its padding, or None if there is no such section."""
        section = self._ranges.get(name)
        if section is None:
            return None
        offset, size = section
        content = self._tree.section(self._file, offset, min(size, _TEXT_LIMIT))
        return None if content is None else content.decode("utf-8", "replace").strip("\0 \t\r\n")


def kernel_release(tree: Tree, file: str) -> str | None:
    """Return the version in the header of an x86 kernel image, as `uname -r` prints it, or None."""
    header = tree.section(file, _SETUP, 0x10)
    if header is None or len(header) < 0x10 or header[_MAGIC_OFFSET - _SETUP :][:4] != _MAGIC:
        return None
    (offset,) = struct.unpack_from("<H", header, _VERSION_OFFSET - _SETUP)
    content = tree.section(file, _SETUP + offset, 160) if offset else None
    words = (content or b"").split(b"\0", 1)[0].decode("ascii", "replace").split()
    return words[0] if words and is_version(words[0]) else None


def program_names(sections: Sections) -> tuple[str, ...]:
    """Return an EFI program's names: that in systemd-boot's magic text, and those in SBAT data (shim's SBAT.md)."""
    magic = (sections.text(".sdmagic") or "").partition("LoaderInfo: ")[2]
    components = [line.partition(",")[0].strip() for line in (sections.text(".sbat") or "").splitlines()]
    return (magic, *components)


def _section_ranges(tree: Tree, file: str) -> dict[str, tuple[int, int]]:
    """Return the offset and size of each section in a PE file."""
    dos_header = tree.section(file, 0, 64)
    if dos_header is None or len(dos_header) < 64 or dos_header[:2] != b"MZ":
        return {}
    (pe_offset,) = struct.unpack_from("<I", dos_header, 0x3C)
    header = tree.section(file, pe_offset, 24)
    if header is None or len(header) < 24 or header[:4] != b"PE\0\0":
        return {}
    count, optional_size = struct.unpack_from("<H", header, 6)[0], struct.unpack_from("<H", header, 20)[0]
    table = tree.section(file, pe_offset + 24 + optional_size, 40 * min(count, _MAX_SECTIONS)) or b""
    ranges: dict[str, tuple[int, int]] = {}
    for row in range(0, len(table) - 39, 40):
        name = table[row : row + 8].rstrip(b"\0").decode("ascii", "replace")
        virtual_size, _address, raw_size, raw_offset = struct.unpack_from("<IIII", table, row + 8)
        # The first section of a name is the base. Those after a .profile section belong to a profile that has to be
        # selected by hand.
        ranges.setdefault(name, (raw_offset, min(virtual_size, raw_size) or raw_size))
    return ranges
