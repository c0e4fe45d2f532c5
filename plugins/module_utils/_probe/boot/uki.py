# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unified kernel images: kernel, command line and initramfs in one EFI program.

https://uapi-group.org/specifications/specs/unified_kernel_image/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import bls
from .entry import Entry
from .image_headers import Sections
from .versions import is_version

if TYPE_CHECKING:
    from ..tree import Tree

#: On the EFI system partition, or on the extended boot loader partition.
DIRECTORY = "/EFI/Linux"
_MAX_IMAGES = 256


def read_entries(tree: Tree, partitions: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the unified kernel images on the boot loader's partitions, in the order of their names."""
    entries = []
    real_paths = set()
    for partition in partitions:
        for name in tree.names(partition + DIRECTORY)[:_MAX_IMAGES]:
            file = f"{partition}{DIRECTORY}/{name}"
            real_path = tree.resolve(file)
            if real_path in real_paths or not name.lower().endswith(".efi") or not name.isprintable():
                continue
            entry = read_image(tree, file, partition)
            if entry is not None:
                real_paths.add(real_path)
                entries.append(entry)
    return tuple(entries)


def read_image(tree: Tree, file: str, partition: str) -> Entry | None:
    """Return the entry of a unified kernel image, or None for any other EFI program."""
    sections = Sections(tree, file)
    if ".linux" not in sections:
        return None
    name = file.rpartition("/")[2]
    version = sections.text(".uname")
    addons = _addon_arguments(tree, file + ".extra.d") + _addon_arguments(tree, partition + "/loader/addons")
    arguments = [text for text in (sections.text(".cmdline"), *addons) if text]
    return Entry(
        id=bls.identifier(name[: -len(".efi")]) + ".efi",
        title=name,
        version=version if version and is_version(version) else None,
        linux=file,
        initrds=(file,) if ".initrd" in sections else (),
        cmdline=" ".join(" ".join(arguments).split("\n")),
        file=file,
    )


def _addon_arguments(tree: Tree, directory: str) -> tuple[str, ...]:
    """Return what the addons in a directory append to the command line (systemd-stub(7)), in their order."""
    names = [name for name in tree.names(directory)[:_MAX_IMAGES] if name.lower().endswith(".addon.efi")]
    return tuple(Sections(tree, f"{directory}/{name}").text(".cmdline") or "" for name in names)
