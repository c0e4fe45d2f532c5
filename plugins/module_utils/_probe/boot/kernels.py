# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installed kernels: what /lib/modules, /boot and the boot loader's entries say together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ..._machine import Kernel
from .entry import FOREIGN, Entry
from .image_headers import kernel_release
from .initramfs_generators import usual_images, without_microcode
from .versions import is_version, version_in_name, version_order

if TYPE_CHECKING:
    from ..tree import Tree

#: More kernels than anybody installs; what exceeds it is damage.
_MOST = 128
_MODULE_FOLDERS = ("/lib/modules", "/usr/lib/modules")
_IMAGE_NAMES = ("vmlinuz-", "vmlinux-", "kernel-")
_LIST_LIMIT = 8 << 20
# It begins with letters, not with what must stand before them: that is ten times as fast in a megabyte of modules.dep.
_VFIO_PCI = re.compile(r"vfio[-_]pci\.ko(?:\.(?:gz|xz|zst|bz2))?(?::|$)", re.MULTILINE)
_VERSIONED = re.compile(r"[0-9]\.[0-9]")
_CONFIG = re.compile(r"^(?:CONFIG_VFIO_PCI=([ym])|# CONFIG_VFIO_PCI is not set)$", re.MULTILINE)


def installed_kernels(tree: Tree, entries: Sequence[Entry], partitions: tuple[str, ...]) -> tuple[Kernel, ...]:
    """Return every installed kernel, the newest first.

    Args:
        tree: The machine.
        entries: What the boot loader offers.
        partitions: Where the boot loader's own paths may begin: the folders of its partitions.
    """
    return _Kernels(tree, partitions).merge(entries)


def find_file(tree: Tree, bases: Sequence[str], path: str | None) -> str | None:
    """Return where a boot loader's path leads on this machine: its partition may be mounted, or be a subvolume.

    Args:
        tree: The machine.
        bases: Where such paths may begin.
        path: As the boot loader's configuration has it.
    """
    parts = [part for part in (path or "").replace("\\", "/").split("/") if part]
    while parts:
        for base in bases:
            file = "{}/{}".format(base, "/".join(parts))
            if tree.exists(file):
                return file
        parts = parts[1:]
        # Of a bare name, only one with a version in it can't be mistaken for another system's file.
        if len(parts) == 1 and not _VERSIONED.search(parts[0]):
            break
    return None


def has_modules(tree: Tree, version: str) -> bool:
    """Tell whether a kernel's modules are installed, which tells a kernel of this system from another's."""
    return any(tree.exists(f"{folder}/{version}") for folder in _MODULE_FOLDERS)


def bases(partitions: tuple[str, ...]) -> tuple[str, ...]:
    """Return where a boot loader's own paths may begin, given the folders of its partitions."""
    return tuple(dict.fromkeys(("/boot", *partitions, "")))


class _Kernels:
    def __init__(self, tree: Tree, partitions: tuple[str, ...]) -> None:
        self._tree = tree
        self._bases = bases(partitions)
        self._modules = next((folder for folder in _MODULE_FOLDERS if tree.exists(folder)), _MODULE_FOLDERS[0])
        self._folders = [name for name in tree.names(self._modules)[: _MOST * 4] if is_version(name)]
        self._packages: dict[str, str] = {}  # versions by kernel package, as Arch names images
        for version in self._folders[:_MOST]:
            package = tree.text(f"{self._modules}/{version}/pkgbase")
            if package:
                self._packages[package] = version
        self._releases: dict[str, str | None] = {}

    def merge(self, entries: Sequence[Entry]) -> tuple[Kernel, ...]:
        best: dict[str, Entry] = {}
        for entry in entries:
            version = None if entry.role == FOREIGN else self._version(entry)
            if version is not None and (version not in best or entry.rank < best[version].rank):
                best[version] = entry
        versions: set[str] = {*self._with_modules(), *self._in_boot(), *best}
        newest = sorted(versions, key=lambda version: (version_order(version), version), reverse=True)[:_MOST]
        return tuple(self._kernel(version, best.get(version)) for version in newest)

    def _with_modules(self) -> Iterator[str]:
        for version in self._folders:
            folder = f"{self._modules}/{version}/"
            # A folder without either is what DKMS leaves behind.
            if any(self._tree.exists(folder + name) for name in ("modules.dep", "vmlinuz", "vmlinux")):
                yield version

    def _in_boot(self) -> Iterator[str]:
        for name in self._tree.names("/boot")[: _MOST * 16]:
            if name.startswith(_IMAGE_NAMES):
                version = self._release("/boot/" + name)
                if version is not None:
                    yield version

    def _version(self, entry: Entry) -> str | None:
        """Return the version of the kernel that an entry boots."""
        if entry.version is not None and is_version(entry.version) and entry.version in self._folders:
            return entry.version
        image = self._here(entry.linux)
        release = self._release(image) if image else version_in_name(entry.linux or "")
        if release is not None:
            return release
        return entry.version if entry.version is not None and is_version(entry.version) else None

    def _release(self, file: str) -> str | None:
        """Return the version of an image: by its name, by its own header, or by the package it is named after."""
        if file not in self._releases:
            real = self._tree.resolve(file) or file
            named = version_in_name(real)
            base = real.rpartition("/")[2].partition("-")[2]
            self._releases[file] = (
                named
                if named is not None and not named.startswith("0-rescue")
                else kernel_release(self._tree, file) or self._packages.get(base)
            )
        return self._releases[file]

    def _here(self, path: str | None) -> str | None:
        return find_file(self._tree, self._bases, path)

    def _kernel(self, version: str, entry: Entry | None) -> Kernel:
        if entry is None:
            images = usual_images(version, self._package(version))
            initramfs = next((file for file in images if self._tree.exists(file)), None)
        else:
            initramfs = self._here(without_microcode(entry.initrds))
        return Kernel(
            version=version,
            entry=entry.id if entry else None,
            cmdline=entry.cmdline if entry else None,
            initramfs=initramfs,
            has_vfio_pci=self._has_vfio_pci(version),
        )

    def _package(self, version: str) -> str | None:
        return next((package for package, owner in self._packages.items() if owner == version), None)

    def _has_vfio_pci(self, version: str) -> bool | None:
        folder = f"{self._modules}/{version}/"
        lists = [self._tree.text(folder + name, _LIST_LIMIT) for name in ("modules.dep", "modules.builtin")]
        if any(_names_vfio_pci(text) for text in lists if text is not None):
            return True
        if None not in lists:
            return False
        for file in ("/boot/config-" + version, folder + "config"):
            match = _CONFIG.search(self._tree.text(file, _LIST_LIMIT) or "")
            if match is not None:
                return match.group(1) is not None
        return None


def _names_vfio_pci(text: str) -> bool:
    """Tell whether a list of modules has vfio-pci, and not only another module whose name ends so."""
    return any(text[match.start() - 1 : match.start()] in ("", "/", "\n") for match in _VFIO_PCI.finditer(text))
