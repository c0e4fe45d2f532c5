# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drafts that a run left which was killed, or whose machine lost its power: nothing reads them, and they take room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from .._machine.plan import RECORD, RemoveFile, is_draft
from .._probe.boot.systemd_boot import XBOOTLDR, esp_folders

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Where files lie that we write, besides those of a partition for booting.
_FOLDERS = (
    "/etc/vfio-workstation",
    "/etc/vfio-workstation/initramfs",
    "/run/vfio-workstation",
    "/etc/default",
    "/etc/default/grub.d",
    "/etc/grub.d",
    "/etc/kernel",
    "/etc/kernel/install.d",
    "/etc/initramfs-tools/hooks",
    "/etc/initcpio/install",
    "/etc/mkinitcpio.conf.d",
    "/usr/lib/dracut/modules.d/90vfio-workstation",
)


def removals(tree: Tree) -> tuple[RemoveFile, ...]:
    """Return what takes away each draft that is there. No other run can be at it: there is a lock."""
    return tuple(
        RemoveFile(f"{folder}/{name}", RECORD, "an earlier run that did not come to its end left this draft")
        for folder in dict.fromkeys((*_FOLDERS, *_boot_folders(tree)))
        for name in tree.names(folder)
        if is_draft(name)
    )


def _boot_folders(tree: Tree) -> Iterator[str]:
    """Yield the folders of partitions for booting: menus, entries and images lie two levels deep at most."""
    for partition in (XBOOTLDR, *esp_folders(tree)):
        yield partition
        for name in tree.names(partition):
            yield f"{partition}/{name}"
            for below in tree.names(f"{partition}/{name}"):
                yield f"{partition}/{name}/{below}"
