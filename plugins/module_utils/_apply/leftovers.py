# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drafts left behind by a run that was killed, or lost power. No tool reads them, but they take up disk space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from .._machine.plan import RECORD, RemoveFile, is_draft
from .._probe.boot.systemd_boot import XBOOTLDR, esp_mount_points

if TYPE_CHECKING:
    from .._probe.tree import Tree

#: Directories of the files that this collection writes, except those of the boot partitions.
_DIRECTORIES = (
    "/etc/vfio-workstation",
    "/etc/vfio-workstation/initramfs",
    "/run/vfio-workstation",
    "/var/lib/vfio-workstation",
    "/usr/local/bin",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.d",
    "/etc/default",
    "/etc/default/grub.d",
    "/etc/grub.d",
    "/etc/kernel",
    "/etc/kernel/install.d",
    "/etc",  # dracut.conf, mkinitcpio.conf
    "/etc/modprobe.d",
    "/etc/dracut.conf.d",
    "/etc/initramfs-tools",
    "/etc/initramfs-tools/hooks",
    "/etc/initcpio/install",
    "/etc/mkinitcpio.conf.d",
    "/usr/lib/dracut/modules.d/90vfio-workstation",
)


def leftover_removals(tree: Tree) -> tuple[RemoveFile, ...]:
    """Return steps that remove all drafts. They are applied under the lock, so that no other run is writing one."""
    return tuple(
        RemoveFile(f"{directory}/{name}", RECORD, "remove the draft that an interrupted run left behind")
        for directory in dict.fromkeys((*_DIRECTORIES, *_boot_directories(tree)))
        for name in tree.names(directory)
        if is_draft(name)
    )


def _boot_directories(tree: Tree) -> Iterator[str]:
    """Yield the directories of boot partitions, two levels deep: menus, entries and images are not any deeper."""
    for partition in (XBOOTLDR, *esp_mount_points(tree)):
        yield partition
        for name in tree.names(partition):
            yield f"{partition}/{name}"
            for subdirectory in tree.names(f"{partition}/{name}"):
                yield f"{partition}/{name}/{subdirectory}"
