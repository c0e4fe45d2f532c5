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

#: Mount points that bootctl(1) checks for the EFI system partition, in its order, and others that distributions use.
_ESP_MOUNT_POINTS = ("/efi", "/boot", "/boot/efi", "/esp", "/boot/esp")
#: Mount point of the extended boot loader partition.
XBOOTLDR = "/boot"


def esp_mount_points(tree: Tree) -> tuple[str, ...]:
    """Return the directories where an EFI system partition seems to be mounted."""
    return tuple(directory for directory in _ESP_MOUNT_POINTS if tree.names(directory + "/EFI"))


def boot_partitions(esps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the mount points of the partitions that have entries and images."""
    return esps if XBOOTLDR in esps else (*esps, XBOOTLDR)


def loader_setting(tree: Tree, esps: tuple[str, ...], name: str) -> str | None:
    """Return a setting of loader.conf (loader.conf(5)), the last one if it is repeated; None if it is not set."""
    texts = [tree.text(f"{esp}/loader/loader.conf") or "" for esp in esps]
    lines = [line.split(None, 1) for text in texts for line in text.splitlines()]
    values = [words[1].strip() for words in lines if len(words) == 2 and words[0] == name]
    return values[-1] if values else None


def read_entries(tree: Tree, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the entries of systemd-boot's menu: entry files of both partitions, then unified kernel images."""
    partitions = boot_partitions(esps)
    entries = []
    ids = set()
    for partition in partitions:
        for type1 in bls.read_entries(tree, partition + "/loader/entries"):
            entry = _entry(type1)
            if entry is not None and entry.id not in ids:
                ids.add(entry.id)
                entries.append(entry)
    return tuple(entries) + uki.read_entries(tree, partitions)


def _entry(type1: bls.Type1Entry) -> Entry | None:
    linux = type1.first("linux")
    if not linux:
        return None  # not a kernel: another EFI program, which the key `efi` names
    return Entry(
        id=type1.id,
        title=type1.first("title") or type1.id,
        version=type1.first("version"),
        linux=linux,
        initrds=tuple(type1.values.get("initrd", ())),
        cmdline=type1.joined("options") or "",
        file=type1.file,
    )
