# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration files in initramfs images, as far as it is known without unpacking an image."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from ..._machine import Boot
from ..._machine.claims import NEW_IMAGES
from ..._machine.initramfs import LISTINGS_FILE
from ..tree import FILE_LIMIT, Tree

#: Directories that generators copy into each image: mkinitramfs, and udev's hook for it; 90kernel-modules and
#: 01systemd-udevd of dracut; the hook modconf of mkinitcpio.
_MODPROBE = ("/etc/modprobe.d/", "/usr/lib/modprobe.d/", "/lib/modprobe.d/")
_RULES = "/etc/udev/rules.d/"
_COPIED = {"initramfs-tools": (*_MODPROBE, _RULES), "dracut": (*_MODPROBE, _RULES), "mkinitcpio": _MODPROBE}
#: Where udev's hook for initramfs-tools puts rules of the host.
_RULES_IN_IMAGES = "usr/lib/udev/rules.d/"
_MERGED = re.compile(r"lib/")


class Images:
    """The initramfs images of a host.

    Args:
        tree: The host.
        boot: Its boot chain.
    """

    def __init__(self, tree: Tree, boot: Boot) -> None:
        self._tree = tree
        self._boot = boot
        self._names: dict[str, frozenset[str]] | None = None

    def with_file(self, path: str) -> tuple[str, ...]:
        """Return the images that are known to have a file, and NEW_IMAGES if the generator copies it."""
        name = path.lstrip("/")
        name = f"usr/{name}" if _MERGED.match(name) else name
        names = {name, _RULES_IN_IMAGES + path[len(_RULES) :]} if path.startswith(_RULES) else {name}
        holding = tuple(image for image, listed in self._listed().items() if names & listed)
        is_copied = path.startswith(_COPIED.get(self._boot.initramfs_generator or "", ()))
        return (*holding, NEW_IMAGES) if is_copied else holding

    def built_in_everywhere(self, module: str) -> bool:
        """Return whether every installed kernel has a module built in, so that it reads no modprobe.d.

        Args:
            module: Its name with underscores.
        """
        pattern = re.compile(rf"(?:^|/){module.replace('_', '[-_]')}\.ko", re.MULTILINE)
        versions = [kernel.version for kernel in self._boot.kernels] or [self._boot.running.version or ""]
        lists = [self._tree.text(f"/lib/modules/{version}/modules.builtin", FILE_LIMIT) for version in versions]
        return all(text is not None and pattern.search(text) for text in lists)

    def _listed(self) -> Mapping[str, frozenset[str]]:
        """Return the cached listings by path of the image, without those of images that were replaced since."""
        if self._names is None:
            try:
                cache = json.loads(self._tree.text(LISTINGS_FILE, FILE_LIMIT) or "{}")
            except (ValueError, RecursionError):
                cache = {}
            self._names = {}
            for image, listing in cache.items() if isinstance(cache, dict) else ():
                if (
                    isinstance(listing, dict)
                    and isinstance(listing.get("names"), list)
                    and self._is_same(image, listing)
                ):
                    self._names[image] = frozenset(name for name in listing["names"] if isinstance(name, str))
        return self._names

    def _is_same(self, image: str, listing: Mapping[str, Any]) -> bool:
        status = self._tree.status(image)
        if status is None:
            return False
        return listing.get("status") == [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
