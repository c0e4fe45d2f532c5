# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an image of a disk has content that an installation would erase."""

from __future__ import annotations

import struct

from ..tree import Tree

#: Where file systems, partition tables, LVM, LUKS and RAID have their signatures (blkid(8) looks no further).
_START = 1 << 20
_QCOW2 = b"QFI\xfb"
#: QEMU, docs/interop/qcow2.rst: magic, version, offset and size of the name of the image below, bits of a cluster,
#: size, encryption, entries and offset of the L1 table.
_HEADER = struct.Struct(">4sIQIIQIIQ")
#: Entries of 8 bytes; with the smallest clusters, those of an image of 8 TiB.
_MOST_ENTRIES = 1 << 20


def is_blank(tree: Tree, path: str) -> bool | None:
    """Return whether an image has no content; None where that is not known, as of a block device.

    Args:
        tree: The host's files.
        path: The image, raw or qcow2.
    """
    start = tree.section(path, 0, _START)
    if start is None:
        return None
    if start.startswith(_QCOW2):
        return _is_blank_qcow2(tree, path, start)
    return not any(start)


def _is_blank_qcow2(tree: Tree, path: str, start: bytes) -> bool | None:
    if len(start) < _HEADER.size:
        return None
    _magic, _version, below, *_rest, entries, offset = _HEADER.unpack_from(start)
    if below:
        return False
    if entries > _MOST_ENTRIES:
        return None
    table = tree.section(path, offset, 8 * entries)
    return None if table is None or len(table) < 8 * entries else not any(table)
