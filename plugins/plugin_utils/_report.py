# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a host: the result of host_info as lines of text, and as a document for queries. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.plugin_utils._claims import claim_lines

Json = t.Dict[str, t.Any]

#: Base classes and a few subclasses (PCI Code and ID Assignment Specification, 1).
_CLASSES = {
    "0106": "SATA",
    "0108": "NVMe",
    "01": "storage",
    "02": "network",
    "03": "display",
    "0403": "audio",
    "04": "multimedia",
    "05": "memory",
    "0600": "host bridge",
    "0604": "PCI bridge",
    "06": "bridge",
    "07": "communication",
    "08": "system",
    "09": "input",
    "0b": "processor",
    "0c03": "USB",
    "0c": "serial bus",
    "0d": "wireless",
    "10": "encryption",
    "11": "signal processing",
    "12": "accelerator",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MOST_USES = 3


def report_lines(reading: Json, name: str) -> list[str]:
    """Return the summary of a host.

    Args:
        reading: The result of the module host_info.
        name: Name of the host in the inventory.
    """
    host = reading["host"]
    lines = [
        f"{name}: {_system(host)}",
        f"  virtualization  {_virtualization(host['cpu']['virtualization'])}",
        f"  IOMMU           {_iommu(host['iommu'])}",
        f"  cores           {_cores(host['cpus'])}",
        f"  memory          {_memory(host['memory'])}",
        f"  boot            {_boot(host['boot'])}",
    ]
    lines += _kernels(host["boot"])
    lines += _groups(host)
    lines += claim_lines(host)
    denied = reading.get("unreadable") or []
    if denied:
        paths = ", ".join(f"{item['path']} ({', '.join(item['values'])})" for item in denied)
        lines.append(f"  not readable    {paths}: run as root to read them")
    return lines


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


def _system(host: Json) -> str:
    system = " ".join(filter(None, (host["os"]["id"], host["os"]["version_id"]))) or "unknown system"
    guest = host["cpu"]["hypervisor"]
    return f"{system}, {host['cpu']['model'] or 'unknown processor'}" + (f", a guest of {guest}" if guest else "")


def _virtualization(virtualization: Json) -> str:
    details = [virtualization["slat"]]
    interrupts = virtualization["interrupt_virtualization"]
    if interrupts["name"]:
        details.append(f"{interrupts['name'].upper()} {_ability(interrupts)}")
    if virtualization["posted_interrupts"]["supported"] is not None:
        details.append(f"posted interrupts {_ability(virtualization['posted_interrupts'])}")
    if virtualization["nested"] is not None:
        details.append("nested on" if virtualization["nested"] else "nested off")
    return _state(virtualization) + _bracketed(details)


def _ability(ability: Json) -> str:
    if ability["supported"] is False:
        return "not supported"
    supported = "supported" if ability["supported"] else "support unknown"
    return f"{supported}, " + {True: "enabled", False: "not enabled", None: "state unknown"}[ability["enabled"]]


def _iommu(iommu: Json) -> str:
    remapping = {True: "interrupt remapping on", False: "interrupt remapping off", None: None}
    return _state(iommu) + _bracketed([iommu["kind"], remapping[iommu["interrupt_remapping"]]])


def _state(subject: Json) -> str:
    return f"{subject['state'].replace('_', ' ')}: {subject['reason']}"


def _cores(cpus: Json) -> str:
    if cpus["online"] is None:
        return "unknown"
    cores = cpus["cores"]
    parts = [f"{_count(len(cores), 'core')}, {_count(len(cpus['online']), 'CPU')}"]
    parts += [
        f"{sum(core['kind'] == kind for core in cores)} {kind}"
        for kind in ("performance", "efficiency")
        if any(core["kind"] == kind for core in cores)
    ]
    packages = {core["package"] for core in cores if core["package"] is not None}
    if len(packages) > 1:
        parts.append(_count(len(packages), "package"))
    sizes = [group["size_bytes"] for group in cpus["l3_groups"].values()]
    if sizes:
        parts.append("L3 " + " + ".join(_size(size) for size in sizes))
    for label in ("offline", "isolated", "nohz_full"):
        if cpus[label]:
            parts.append(f"{label} {_ranges(cpus[label])}")
    return "; ".join(parts)


def _memory(memory: Json) -> str:
    nodes = memory["nodes"]
    parts = [_size(memory["total_bytes"])]
    for number, node in nodes.items():
        pools = ", ".join(
            f"{pool['free']} of {pool['total']} free huge pages of {_size(int(kilobytes) * 1024)}"
            for kilobytes, pool in node["hugepages"].items()
            if pool["total"]
        )
        if len(nodes) > 1 or pools:
            cpus = f"CPUs {_ranges(node['cpus'])}" if node["cpus"] else "no CPUs"
            parts.append(f"node {number}: {_size(node['total_bytes'])}, {cpus}" + (f", {pools}" if pools else ""))
    sizes = sorted({int(size) for node in nodes.values() for size in node["hugepages"]})
    parts.append("huge pages of " + (", ".join(_size(size * 1024) for size in sizes) if sizes else "no size"))
    return "; ".join(parts)


def _boot(boot: Json) -> str:
    secure = {True: "Secure Boot on", False: "Secure Boot off", None: "Secure Boot unknown"}[boot["secure_boot"]]
    loader = f"boot loader {boot['loader']}" if boot["loader"] else f"boot loader unknown ({boot['reason']})"
    parts = [boot["firmware"] or "firmware unknown", secure, loader]
    if boot["lockdown"] not in (None, "none"):
        parts.append(f"lockdown {boot['lockdown']}")
    parts.append(boot["initramfs_generator"] or "initramfs generator unknown")
    return ", ".join(parts)


def _kernels(boot: Json) -> list[str]:
    running = boot["running"]["version"]
    lines = [f"  running         Linux {running or 'unknown'}: {boot['running']['cmdline'] or 'command line unknown'}"]
    for kernel in boot["kernels"]:
        vfio = {True: "has vfio-pci", False: "lacks vfio-pci", None: "vfio-pci unknown"}[kernel["has_vfio_pci"]]
        lines.append(
            f"  kernel          {kernel['version']}: entry {kernel['entry'] or 'unknown'}, "
            f"initramfs {kernel['initramfs'] or 'unknown'}, {vfio}"
        )
    return lines


def _groups(host: Json) -> list[str]:
    groups = host["iommu"]["groups"]
    lines = []
    for number, group in groups.items():
        members = "; ".join(_function(member, host["pci"].get(member)) for member in group["members"])
        lines.append(f"  group {number:<4} {group['type'] or '':<9} {members}")
    grouped = {member for group in groups.values() for member in group["members"]}
    lines += [
        f"  no group             {_function(address, function)}"
        for address, function in host["pci"].items()
        if address not in grouped
    ]
    return lines


def _function(address: str, function: Json | None) -> str:
    if function is None:
        return address
    marks = [function["driver"] or "no driver"]
    if function["boot_display"]:
        marks.append("boot display")
    # A process may hold several nodes of the same function open.
    uses = list(dict.fromkeys(f"{use['kind'].replace('_', ' ')} {use['name']}" for use in function["in_use_by"]))
    if uses and not function["bridge"]:
        more = len(uses) - _MOST_USES
        marks.append("in use by " + ", ".join(uses[:_MOST_USES]) + (f" and {more} more" if more > 0 else ""))
    name = " ".join(filter(None, (function["vendor_name"], function["device_name"])))
    ids = f"{function['vendor'] or '????'}:{function['device'] or '????'}"
    return " ".join(filter(None, (address, _class_name(function["class"]), ids, name))) + _bracketed(marks)


def _class_name(code: str | None) -> str:
    return _CLASSES.get((code or "")[:4]) or _CLASSES.get((code or "")[:2]) or f"class {code or 'unknown'}"


def _bracketed(parts: t.Iterable[str | None]) -> str:
    present = [part for part in parts if part]
    return f" ({', '.join(present)})" if present else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _size(size: int | None) -> str:
    if size is None:
        return "unknown size"
    power = 0
    while size >= 1024 << (10 * power) and power < len(_UNITS) - 1:
        power += 1
    return f"{round(size / (1 << (10 * power)), 1):g} {_UNITS[power]}"


def _ranges(numbers: t.Sequence[int]) -> str:
    """Return numbers as the kernel prints lists of CPUs: `0-3,8`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ",".join("-".join(str(end) for end in ends) for ends in ranges)
