# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installed kernels: the combined evidence of /lib/modules, /boot and the boot loader's entries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ..._machine import Kernel
from .entry import FOREIGN, Entry
from .image_headers import kernel_release
from .initramfs_generators import conventional_images, main_initramfs
from .versions import is_version, version_in_name, version_order

if TYPE_CHECKING:
    from ..tree import Tree

#: More kernels than anybody installs; those beyond this number are ignored.
_MAX_KERNELS = 128
_MODULE_DIRECTORIES = ("/lib/modules", "/usr/lib/modules")
_IMAGE_NAMES = ("vmlinuz-", "vmlinux-", "kernel-")
_LIST_LIMIT = 8 << 20
# The pattern begins with letters, and the character before them is checked afterwards: that is ten times as fast in a
# modules.dep of a megabyte.
_VFIO_PCI = re.compile(r"vfio[-_]pci\.ko(?:\.(?:gz|xz|zst|bz2))?(?::|$)", re.MULTILINE)
_HAS_VERSION = re.compile(r"[0-9]\.[0-9]")
_CONFIG = re.compile(r"^(?:CONFIG_VFIO_PCI=([ym])|# CONFIG_VFIO_PCI is not set)$", re.MULTILINE)


def installed_kernels(tree: Tree, entries: Sequence[Entry], partitions: tuple[str, ...]) -> tuple[Kernel, ...]:
    """Return all installed kernels, the newest first.

    Args:
        tree: The machine's files.
        entries: The boot loader's entries.
        partitions: Mount points of the boot loader's partitions.
    """
    return _KernelReader(tree, partitions).read(entries)


def find_file(tree: Tree, directories: Sequence[str], path: str | None) -> str | None:
    """Return the file on this machine that a path in the boot loader's configuration names, or None.

    Such a path begins at the root of a partition, and may lead through a subvolume that is mounted elsewhere. So its
    first components are dropped one by one until the rest is a file below one of the directories.

    Args:
        tree: The machine's files.
        directories: Where to search, as boot_directories() returns them.
        path: The path, with slashes or backslashes.
    """
    parts = [part for part in (path or "").replace("\\", "/").split("/") if part]
    while parts:
        for directory in directories:
            file = "{}/{}".format(directory, "/".join(parts))
            if tree.exists(file):
                return file
        parts = parts[1:]
        # A bare name without a version may be a file of another system.
        if len(parts) == 1 and not _HAS_VERSION.search(parts[0]):
            break
    return None


def has_modules(tree: Tree, version: str) -> bool:
    """Return whether a kernel's modules are installed; if not, the kernel belongs to another system."""
    return any(tree.exists(f"{directory}/{version}") for directory in _MODULE_DIRECTORIES)


def boot_directories(partitions: tuple[str, ...]) -> tuple[str, ...]:
    """Return where to search for the boot loader's files, given the mount points of its partitions."""
    return tuple(dict.fromkeys(("/boot", *partitions, "")))


class _KernelReader:
    def __init__(self, tree: Tree, partitions: tuple[str, ...]) -> None:
        self._tree = tree
        self._boot_directories = boot_directories(partitions)
        self._modules = next((path for path in _MODULE_DIRECTORIES if tree.exists(path)), _MODULE_DIRECTORIES[0])
        self._versions = [name for name in tree.names(self._modules)[: _MAX_KERNELS * 4] if is_version(name)]
        self._packages: dict[str, str] = {}  # versions by kernel package; Arch names images after packages
        for version in self._versions[:_MAX_KERNELS]:
            package = tree.text(f"{self._modules}/{version}/pkgbase")
            if package:
                self._packages[package] = version
        self._image_versions: dict[str, str | None] = {}  # by path, so that no image is read twice

    def read(self, entries: Sequence[Entry]) -> tuple[Kernel, ...]:
        best: dict[str, Entry] = {}
        for entry in entries:
            version = None if entry.role == FOREIGN else self._entry_version(entry)
            if version is not None and (version not in best or entry.rank < best[version].rank):
                best[version] = entry
        versions: set[str] = {*self._versions_with_modules(), *self._versions_in_boot(), *best}
        newest = sorted(versions, key=lambda version: (version_order(version), version), reverse=True)[:_MAX_KERNELS]
        return tuple(self._kernel(version, best.get(version)) for version in newest)

    def _versions_with_modules(self) -> Iterator[str]:
        for version in self._versions:
            directory = f"{self._modules}/{version}/"
            # DKMS leaves directories behind that have none of these files.
            if any(self._tree.exists(directory + name) for name in ("modules.dep", "vmlinuz", "vmlinux")):
                yield version

    def _versions_in_boot(self) -> Iterator[str]:
        for name in self._tree.names("/boot")[: _MAX_KERNELS * 16]:
            if name.startswith(_IMAGE_NAMES):
                version = self._image_version("/boot/" + name)
                if version is not None:
                    yield version

    def _entry_version(self, entry: Entry) -> str | None:
        """Return the version of the kernel that an entry boots."""
        if entry.version is not None and is_version(entry.version) and entry.version in self._versions:
            return entry.version
        image = self._find(entry.linux)
        version = self._image_version(image) if image else version_in_name(entry.linux or "")
        if version is not None:
            return version
        return entry.version if entry.version is not None and is_version(entry.version) else None

    def _image_version(self, file: str) -> str | None:
        """Return the version of a kernel image: from its name, from its header, or from the package in its name."""
        if file not in self._image_versions:
            real_path = self._tree.resolve(file) or file
            version = version_in_name(real_path)
            package = real_path.rpartition("/")[2].partition("-")[2]
            self._image_versions[file] = (
                version
                if version is not None and not version.startswith("0-rescue")
                else kernel_release(self._tree, file) or self._packages.get(package)
            )
        return self._image_versions[file]

    def _find(self, path: str | None) -> str | None:
        return find_file(self._tree, self._boot_directories, path)

    def _kernel(self, version: str, entry: Entry | None) -> Kernel:
        if entry is None:
            images = conventional_images(version, self._package(version))
            initramfs = next((file for file in images if self._tree.exists(file)), None)
        else:
            initramfs = self._find(main_initramfs(entry.initrds))
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
        directory = f"{self._modules}/{version}/"
        lists = [self._tree.text(directory + name, _LIST_LIMIT) for name in ("modules.dep", "modules.builtin")]
        if any(_names_vfio_pci(text) for text in lists if text is not None):
            return True
        if None not in lists:
            return False
        for file in ("/boot/config-" + version, directory + "config"):
            match = _CONFIG.search(self._tree.text(file, _LIST_LIMIT) or "")
            if match is not None:
                return match.group(1) is not None
        return None


def _names_vfio_pci(text: str) -> bool:
    """Return whether a list of modules has vfio-pci itself, not just a module whose name ends in it."""
    return any(text[match.start() - 1 : match.start()] in ("", "/", "\n") for match in _VFIO_PCI.finditer(text))
