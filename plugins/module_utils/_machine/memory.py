# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory and huge pages of each NUMA node."""

from __future__ import annotations

from typing import Mapping, NamedTuple


class HugePages(NamedTuple):
    """A node's pool of huge pages of one size, in pages."""

    total: int | None
    free: int | None
    surplus: int | None


class MemoryNode(NamedTuple):
    """A NUMA node. It may have memory and no CPUs, or CPUs and no memory."""

    total_bytes: int | None
    cpus: tuple[int, ...] | None
    hugepages: Mapping[str, HugePages]  # keyed by page size in kB, as the kernel names it


class Memory(NamedTuple):
    """All memory. A kernel without NUMA support has one node, 0."""

    total_bytes: int | None
    nodes: Mapping[str, MemoryNode]
