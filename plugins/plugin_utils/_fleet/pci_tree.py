# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree of PCI functions: bridges and what is behind them, IOMMU groups, and who has each function. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine, PciFunction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_drivers import is_guest_driver
from ansible_collections.vfio.workstation.plugins.module_utils._text.classes import class_name

GUEST, STAGED, HOST, BRIDGE = "guest", "staged", "host", "bridge"
#: More than any workstation has; a page with more could not be read.
MOST_ROWS = 1000
_DEEPEST = 8
_ROW = 24
_INDENT = 18
_LEFT = 12


class Row(t.NamedTuple):
    """A function in the tree."""

    address: str
    depth: int
    y: int
    x: int
    parent_y: int | None  # of the bridge above, if that is drawn
    group: str  # its IOMMU group; empty if it has none
    first_of_group: bool  # whether the row above is in another group
    last_of_group: bool
    holder: str
    request: str  # the device request that it belongs to; empty if none does
    what: str  # its class
    name: str
    driver: str
    uses: str


def pci_rows(machine: Machine, requested: t.Mapping[str, str]) -> list[Row]:
    """Return the functions in the order of the tree, those behind a bridge after it.

    Args:
        machine: The machine.
        requested: The names of device requests by the addresses of their functions.
    """
    ordered = _ordered(machine.pci)[:MOST_ROWS]
    groups = [machine.pci[address].iommu_group or "" for address, _depth in ordered]
    heights = {address: index * _ROW for index, (address, _depth) in enumerate(ordered)}
    rows = []
    for index, (address, depth) in enumerate(ordered):
        function = machine.pci[address]
        rows.append(
            Row(
                address=address,
                depth=depth,
                y=index * _ROW,
                x=_LEFT + min(depth, _DEEPEST) * _INDENT,
                parent_y=heights.get(function.parent or "") if depth else None,
                group=groups[index],
                first_of_group=index == 0 or groups[index - 1] != groups[index],
                last_of_group=index + 1 == len(groups) or groups[index + 1] != groups[index],
                holder=holder(function, address in requested),
                request=requested.get(address, ""),
                what=class_name(function.class_),
                name=" ".join(filter(None, (function.vendor_name, function.device_name)))
                or f"{function.vendor or '????'}:{function.device or '????'}",
                driver=function.driver or "",
                uses=", ".join(f"{use.kind.replace('_', ' ')} {use.name}" for use in function.in_use_by),
            )
        )
    return rows


def holder(function: PciFunction, is_requested: bool) -> str:
    """Return who has a function: guests, guests from the next boot, the host, or the host as a bridge."""
    if function.bridge:
        return BRIDGE
    if is_guest_driver(function.driver):
        return GUEST
    return STAGED if is_requested else HOST


def _ordered(functions: t.Mapping[str, PciFunction]) -> list[tuple[str, int]]:
    """Return the addresses in the order of the tree, with their depths. Parents that lead in a circle are ignored."""
    children: dict[str | None, list[str]] = {}
    for address, function in functions.items():
        children.setdefault(function.parent if function.parent in functions else None, []).append(address)
    seen: dict[str, int] = {}
    for root in (*children.get(None, ()), *functions):
        waiting = [(root, 0)]
        while waiting:
            address, depth = waiting.pop()
            if address not in seen:
                seen[address] = depth
                waiting += [(child, depth + 1) for child in reversed(children.get(address, []))]
    return list(seen.items())
