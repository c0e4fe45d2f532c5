# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a host, and the document that queries are evaluated on, from what host_info returned. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._text import report
from ansible_collections.vfio.workstation.plugins.module_utils._text.passthrough import gpus
from ansible_collections.vfio.workstation.plugins.plugin_utils._values import from_json

Json = t.Dict[str, t.Any]


def report_lines(reading: Json, name: str, width: int = 80) -> list[str]:
    """Return the summary of a host.

    Args:
        reading: The result of the module host_info.
        name: Name of the host in the inventory.
        width: How many columns a line may have.
    """
    return report.report_lines(reading, gpus(from_json(Machine, reading["host"])), name, width)


def query_document(readings: t.Mapping[str, Json]) -> list[Json]:
    """Return the document that queries are evaluated on: a list of hosts, each the result of host_info with

    - `name`, the name of the host in the inventory,
    - `functions`, the functions in `pci` as a list, each with its `address`, and with `group_mates`: the addresses in
      its IOMMU group that belong to other devices and are not bridges.
    """
    return [
        {"name": name, **reading["host"], "functions": _functions(reading["host"])}
        for name, reading in readings.items()
    ]


def _functions(host: Json) -> list[Json]:
    functions = []
    for address, function in host["pci"].items():
        group = host["iommu"]["groups"].get(function["iommu_group"] or "")
        mates = [
            member
            for member in (group["members"] if group else [])
            if _slot(member) != _slot(address) and not (host["pci"].get(member) or {}).get("bridge")
        ]
        functions.append({"address": address, **function, "group_mates": mates})
    return functions


def _slot(address: str) -> str:
    return address.rpartition(".")[0]
