# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd-boot: its partitions, and its entries of both types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import bls, uki
from .entry import Entry

if TYPE_CHECKING:
    from ..tree import Tree

#: Where bootctl looks for the EFI system partition, in its order, and where distributions mount it besides.
_ESP_FOLDERS = ("/efi", "/boot", "/boot/efi", "/esp", "/boot/esp")
#: The extended boot loader partition.
XBOOTLDR = "/boot"


def esp_folders(tree: Tree) -> tuple[str, ...]:
    """Return the folders that look like a mounted EFI system partition."""
    return tuple(folder for folder in _ESP_FOLDERS if tree.names(folder + "/EFI"))


def boot_partitions(esps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders of the partitions that entries and images lie on."""
    return esps if XBOOTLDR in esps else (*esps, XBOOTLDR)


def read_entries(tree: Tree, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the entries that systemd-boot offers: files of both partitions, then unified kernel images."""
    partitions = boot_partitions(esps)
    entries = []
    seen = set()
    for partition in partitions:
        for found in bls.read_entries(tree, partition + "/loader/entries"):
            entry = _entry(found)
            if entry is not None and found.id not in seen:
                seen.add(found.id)
                entries.append(entry)
    return tuple(entries) + uki.read_entries(tree, partitions)


def _entry(found: bls.Type1) -> Entry | None:
    linux = found.first("linux")
    if not linux:
        return None  # another program, as `efi` names it
    return Entry(
        id=found.id,
        title=found.first("title") or found.id,
        version=found.first("version"),
        linux=linux,
        initrds=tuple(found.values.get("initrd", ())),
        cmdline=found.joined("options") or "",
        file=found.file,
    )
