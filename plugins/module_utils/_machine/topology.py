# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CPU topology as the scheduler sees it: cores, SMT siblings, caches, NUMA nodes."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class Core(NamedTuple):
    """A physical core with its online SMT siblings."""

    cpus: tuple[int, ...]
    package: int | None
    die: int | None
    node: int | None
    l3: str | None  # key into l3_groups
    kind: str | None  # "performance", "efficiency"; None where all cores are of one kind, or where it is unknown


class L3Group(NamedTuple):
    """The CPUs that share one L3 cache. On AMD X3D processors the caches differ in size."""

    cpus: tuple[int, ...]
    size_bytes: int | None


class Cpus(NamedTuple):
    """Logical CPUs by number. A list is None where the kernel does not report it."""

    online: tuple[int, ...] | None
    offline: tuple[int, ...] | None
    isolated: tuple[int, ...] | None
    nohz_full: tuple[int, ...] | None
    cores: tuple[Core, ...]
    l3_groups: Mapping[str, L3Group]  # keyed by the lowest online CPU of the group
