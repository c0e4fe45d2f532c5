# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's files that a guest uses: images, devices and bridges; and what its clocks and topology depend on."""

from __future__ import annotations

import stat
from typing import Iterable

from ..._machine.guest import HostFiles
from ..tree import FILE_LIMIT, Tree
from .disk_uses import read_disk_uses

_CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_CPU_INFO = "/proc/cpuinfo"
_NET = "/sys/class/net"


def read_host_files(tree: Tree, paths: Iterable[str], disk: str | None = None) -> HostFiles:
    """Return what a guest needs of the host's files.

    Args:
        tree: The host's files.
        paths: Images and devices that are requested.
        disk: The path of the disk.
    """
    paths = [*paths, *([disk] if disk is not None else [])]
    return HostFiles(
        clock_source=tree.text(_CLOCK_SOURCE) or None,
        cpu_flags=_cpu_flags(tree),
        paths={path: kind for path in paths for kind in [_kind(tree, path)] if kind is not None},
        bridges=frozenset(name for name in tree.names(_NET) if tree.exists(f"{_NET}/{name}/bridge")),
        room_bytes=tree.free_bytes(disk) if disk is not None else None,
        disk_uses=read_disk_uses(tree, disk) if disk is not None else (),
    )


def _kind(tree: Tree, path: str) -> str | None:
    """Return what a path is: "file", "block" or "character"; None for anything else."""
    status = tree.status(path)
    if status is None:
        return None
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISBLK, "block"), (stat.S_ISCHR, "character"))
    return next((kind for is_kind, kind in kinds if is_kind(status.st_mode)), None)


def _cpu_flags(tree: Tree) -> frozenset[str] | None:
    """Return the flags of the first processor; None where they can't be read."""
    for line in (tree.text(_CPU_INFO, FILE_LIMIT, head=True) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "flags":
            return frozenset(value.split())
    return None
