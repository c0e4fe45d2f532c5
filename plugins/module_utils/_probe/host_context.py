# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The context of a host plan: files that only some of its rules need, and that are not part of the machine."""

from __future__ import annotations

from typing import Iterator, Sequence

from .._machine.host_plan import HostContext
from .kvm_parameters import read_kvm_parameters
from .tree import FILE_LIMIT, Tree

#: Where kmod reads options from (modprobe.d(5)).
_MODPROBE = tuple(f"{top}/modprobe.d" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
#: Directories and files of claims that can be set aside: below /etc, where packages leave changes as they are.
_FOREIGN = (
    ("/etc/modprobe.d", (".conf", ".alias")),
    ("/etc/driverctl.d", ""),
    ("/etc/dracut.conf.d", ".conf"),
    ("/etc/mkinitcpio.conf.d", ".conf"),
)
_FOREIGN_FILES = ("/etc/initramfs-tools/modules", "/etc/dracut.conf", "/etc/mkinitcpio.conf")


def read_host_context(tree: Tree, own_files: Sequence[str]) -> HostContext:
    """Return the context of a host plan.

    Args:
        tree: The machine's files.
        own_files: Paths of the files that this collection may have installed.
    """
    return HostContext(
        own_files=frozenset(path for path in own_files if tree.exists(path)),
        mounts=tree.text("/proc/mounts", FILE_LIMIT) if tree.exists("/proc/mounts") else None,
        groups=tree.text("/etc/group", FILE_LIMIT) if tree.exists("/etc/group") else None,
        users=tree.text("/etc/passwd", FILE_LIMIT) if tree.exists("/etc/passwd") else None,
        kvm_values=tuple(read_kvm_parameters(tree).items()),
        crypttab=tree.text("/etc/crypttab", FILE_LIMIT),
        # Only loaded modules have a state (Documentation/ABI/stable/sysfs-module).
        kvm_built_in=tree.exists("/sys/module/kvm") and not tree.exists("/sys/module/kvm/initstate"),
        modprobe=tuple(_modprobe(tree)),
        foreign=tuple(_foreign(tree)),
    )


def _foreign(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the files in which foreign lines are set aside, with their exact content; those that are links are not."""
    in_folders = (f"{folder}/{name}" for folder, end in _FOREIGN for name in tree.names(folder) if name.endswith(end))
    for path in (*in_folders, *_FOREIGN_FILES):
        text = tree.exact(path, FILE_LIMIT) if tree.resolve(path) == path else None
        if text is not None:
            yield path, text


def _modprobe(tree: Tree) -> Iterator[tuple[str, str]]:
    names = set()
    for folder in _MODPROBE:
        for name in tree.names(folder):
            # A file in an earlier folder hides files of the same name in later folders.
            if name.endswith(".conf") and name not in names:
                names.add(name)
                yield f"{folder}/{name}", tree.text(f"{folder}/{name}", FILE_LIMIT) or ""
