# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest needs of the host at its start."""

from __future__ import annotations

from typing import NamedTuple


class PageNeed(NamedTuple):
    """Memory on huge pages of one size."""

    size_kb: int | None  # None: the default size of the host
    memory_kb: int
    nodes: tuple[int, ...]  # of the host, which the pages may come from; empty: all


class StartNeeds(NamedTuple):
    """What a domain of libvirt needs of the host at its start."""

    name: str
    functions: tuple[str, ...]  # addresses of the host's PCI functions
    pages: tuple[PageNeed, ...]
