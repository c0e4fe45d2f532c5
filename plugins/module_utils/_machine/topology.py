# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processors as the scheduler sees them: cores, siblings, caches, nodes."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class Core(NamedTuple):
    """A physical core with its SMT siblings that are online."""

    cpus: tuple[int, ...]
    package: int | None
    die: int | None
    node: int | None
    l3: str | None  # key into l3_groups
    kind: str | None  # "performance", "efficiency"; None where cores are alike or it cannot be told


class L3Group(NamedTuple):
    """The CPUs that share one third-level cache. On X3D parts the groups differ in size."""

    cpus: tuple[int, ...]
    size_bytes: int | None


class Cpus(NamedTuple):
    """Logical CPUs by number. A list is None where the kernel does not say."""

    online: tuple[int, ...] | None
    offline: tuple[int, ...] | None
    isolated: tuple[int, ...] | None
    nohz_full: tuple[int, ...] | None
    cores: tuple[Core, ...]
    l3_groups: Mapping[str, L3Group]  # keyed by the lowest CPU that is online in the group
