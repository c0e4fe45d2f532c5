# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that request what somebody configured by hand, proposed from what host_info returned. Pure.

The proposal is for a person to check: ids match every identical device, and nothing says which one was meant.
"""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import TAKES
from ansible_collections.vfio.workstation.plugins.module_utils._machine.cmdline import parse, units
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_drivers import is_guest_driver
from ansible_collections.vfio.workstation.plugins.module_utils._plan.notation import parse_numbers

Json = t.Dict[str, t.Any]

#: Names of devices by the beginning of their class (PCI Code and ID Assignment Specification, 1).
_NAMES = {"03": "gpu", "0108": "nvme", "01": "storage", "02": "nic", "0c03": "usb", "04": "audio"}
#: What the host would lose with a function for good.
_NEEDED = ("mount", "swap", "zfs_pool", "default_route", "ssh_session")
_DEFAULT_SIZE = "2M"


def proposal(reading: Json, name: str) -> list[str]:
    """Return the lines of a file of variables, with comments on what to remove and what was left out.

    Args:
        reading: What the module host_info returned.
        name: What to call the host.
    """
    host = reading["host"]
    claimed = {
        address: [claim for claim in function.get("claims") or () if _takes(claim)]
        for address, function in host["pci"].items()
    }
    left_out = {address: _reason(host["pci"], address) for address, claims in claimed.items() if claims}
    variables = _variables(host, [address for address, reason in left_out.items() if not reason])
    if not variables:
        return [f"# {name}: nothing is configured by hand that a variable could request."]
    lines = [f"# {name}: proposed from what is configured by hand. Check it: ids match every identical device."]
    lines += yaml.safe_dump(variables, sort_keys=False, default_flow_style=False).rstrip("\n").split("\n")
    lines += [f"# Left to the host: {address}, {reason}" for address, reason in left_out.items() if reason]
    return lines + _to_remove(claim for claims in claimed.values() for claim in claims)


def _variables(host: Json, addresses: t.Sequence[str]) -> Json:
    """Return the variables that request these functions and what the command line has."""
    devices = list(_devices(host, addresses))
    return {
        **({"workstation_devices": devices} if devices else {}),
        **_of_command_line(host["boot"]["running"]["cmdline"] or ""),
    }


def _to_remove(claims: t.Iterable[Json]) -> list[str]:
    """Return comments with the lines that make the claims, unless those are generated from others."""
    places = dict.fromkeys(
        f"{claim['path']}{', line ' + str(claim['line']) if claim['line'] else ''}: {claim['text']}"
        for claim in claims
        if not claim["path"].startswith(("/proc/", "/boot/"))
    )
    if not places:
        return []
    titles = (
        "# Remove these lines before provision, which refuses those that take what the host keeps.",
        "# With workstation_conflicts: replace, provision sets aside those that it can:",
    )
    return [*titles, *(f"#   {place}" for place in places)]


def _takes(claim: Json) -> bool:
    return claim["effect"] == TAKES and not claim["managed"] and is_guest_driver(claim["driver"] or "vfio-pci")


def _reason(functions: Json, address: str) -> str:
    """Return why a function is not proposed, for itself or for another one of its slot; empty if it is."""
    reason = _own_reason(functions[address])
    slot = address.rpartition(".")[0]
    others = (other for other in functions if other != address and other.rpartition(".")[0] == slot)
    keeper = next((other for other in others if _own_reason(functions[other])), None)
    return reason or (f"in the slot of {keeper}, {_own_reason(functions[keeper])}" if keeper else "")


def _own_reason(function: Json) -> str:
    if function["boot_display"]:
        return "the boot display"
    uses = [use for use in function["in_use_by"] if use["kind"] in _NEEDED]
    return f"in use: {uses[0]['kind'].replace('_', ' ')} {uses[0]['name']}" if uses else ""


def _devices(host: Json, addresses: t.Sequence[str]) -> t.Iterator[Json]:
    """Yield one request for each slot, named after the kind of its first function."""
    slots: dict[str, list[str]] = {}
    for address in addresses:
        slots.setdefault(address.rpartition(".")[0], []).append(address)
    used: dict[str, int] = {}
    for slot, claimed in slots.items():
        kind = str(host["pci"][claimed[0]]["class"] or "")
        name = _NAMES.get(kind[:4]) or _NAMES.get(kind[:2]) or "device"
        used[name] = used.get(name, 0) + 1
        whole = [address for address in host["pci"] if address.rpartition(".")[0] == slot]
        yield {
            "name": name if used[name] == 1 else f"{name}{used[name]}",
            "select": {"address": claimed[0]},
            **({"functions": "selected"} if len(claimed) == 1 < len(whole) else {}),
        }


def _of_command_line(text: str) -> Json:
    """Return the sections that kernel arguments request."""
    arguments = {argument.name: argument.value or "" for argument in parse(text).arguments}
    variables: Json = {}
    if "pt" in arguments.get("iommu", "").split(","):
        variables["workstation_iommu"] = {"pass_through": True}
    elif "on" in arguments.get("intel_iommu", "").split(","):
        variables["workstation_iommu"] = {}
    pages = [request for unit in units([text]) for request in [_pages(unit, arguments)] if request is not None]
    if pages:
        variables["workstation_hugepages"] = pages
    lists = [parse_numbers(word) for word in arguments.get("isolcpus", "").split(",")]
    cpus = sorted({cpu for numbers in lists if numbers is not None for cpu in numbers})
    if cpus:
        variables["workstation_cpu_isolation"] = {"cpus": ",".join(map(str, cpus)), "mode": "boot"}
    return variables


def _pages(unit: str, arguments: t.Mapping[str, str]) -> Json | None:
    """Return the request for the huge pages of a unit, such as `hugepagesz=1G hugepages=0:4,1:4`; None for others."""
    values = {argument.name: argument.value or "" for argument in parse(unit).arguments}
    if "hugepages" not in values:
        return None
    size = values.get("hugepagesz") or arguments.get("default_hugepagesz") or _DEFAULT_SIZE
    parts = [part.rpartition(":") for part in values["hugepages"].split(",")]
    if not all(count.isdigit() and (not colon or node.isdigit()) for node, colon, count in parts):
        return None
    nodes = [int(node) for node, colon, _count in parts if colon]
    count = sum(int(count) for _node, _colon, count in parts)
    return {"size": size, "count": count, **({"nodes": nodes} if nodes else {})} if count else None
