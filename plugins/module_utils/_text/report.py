# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a host: the result of host_info as lines of text. Pure."""

from __future__ import annotations

import textwrap
import typing as t

from .claims import claim_texts
from .classes import class_name
from .passthrough import Gpu

Json = t.Dict[str, t.Any]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MOST_USES = 3
#: A space at which no line is wrapped, until it is printed.
_JOINED = "\N{NO-BREAK SPACE}"
#: The columns of labels.
_INDENT = 18

_Row = t.Tuple[str, str]  # label, text


def report_lines(reading: Json, gpus: t.Sequence[Gpu], name: str, width: int = 80) -> list[str]:
    """Return the summary of a host.

    Args:
        reading: The result of the module host_info.
        gpus: The GPUs of the host, as gpus() returns them.
        name: Name of the host in the inventory.
        width: How many columns a line may have.
    """
    host = reading["host"]
    rows = [
        ("  virtualization", _virtualization(host["cpu"]["virtualization"])),
        ("  IOMMU", _iommu(host["iommu"])),
        *_passthrough(gpus, host["pci"]),
        ("  cores", _cores(host["cpus"])),
        ("  memory", _memory(host["memory"])),
        ("  boot", _boot(host["boot"])),
        *_kernels(host["boot"]),
        *_groups(host),
        *(("  claim", text) for text in claim_texts(host)),
    ]
    denied = reading.get("unreadable") or []
    if denied:
        paths = ", ".join(f"{item['path']} ({', '.join(item['values'])})" for item in denied)
        rows.append(("  not readable", f"{paths}: run as root to read them"))
    lines = _wrapped(f"{name}: {_system(host)}", width, "", "  ")
    for label, text in rows:
        lines += _wrapped(text, width, label.ljust(_INDENT - 1) + " ", " " * _INDENT)
    return lines


def _wrapped(text: str, width: int, first: str, more: str) -> list[str]:
    lines = textwrap.wrap(text, width, initial_indent=first, subsequent_indent=more, break_on_hyphens=False)
    return [line.replace(_JOINED, " ") for line in lines] or [first.rstrip()]


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


def _kernels(boot: Json) -> list[_Row]:
    running = boot["running"]["version"]
    rows = [("  running", f"Linux {running or 'unknown'}: {boot['running']['cmdline'] or 'command line unknown'}")]
    for kernel in boot["kernels"]:
        vfio = {True: "has vfio-pci", False: "lacks vfio-pci", None: "vfio-pci unknown"}[kernel["has_vfio_pci"]]
        text = f"entry {kernel['entry'] or 'unknown'}, initramfs {kernel['initramfs'] or 'unknown'}, {vfio}"
        rows.append(("  kernel", f"{kernel['version']}: {text}"))
    return rows


def _passthrough(gpus: t.Sequence[Gpu], functions: t.Mapping[str, Json]) -> list[_Row]:
    """Return for each GPU whether it can be passed through, and what is needed first."""
    rows = [row for gpu in gpus for row in _gpu(gpu, functions)]
    return [("  passthrough", ""), *rows] if rows else [("  passthrough", "no GPU")]


def _gpu(gpu: Gpu, functions: t.Mapping[str, Json]) -> list[_Row]:
    function = functions[gpu.address]
    answer = f"no, because {'; '.join(gpu.causes)}" if gpu.codes else "yes"
    rows = [
        (f"    {gpu.address}", _ids_and_name(function)),
        ("", f"can be passed through: {answer}"),
    ]
    if gpu.companions:
        named = ", ".join(f"{address} {class_name(functions[address]['class'])}" for address in gpu.companions)
        rows.append(("", f"companion functions: {named}"))
    if gpu.needed:
        rows.append(("", f"needed first: {'; '.join(gpu.needed)}"))
    return rows + [("", f"note: {note}") for note in gpu.notes]


def _groups(host: Json) -> list[_Row]:
    groups = host["iommu"]["groups"]
    rows = []
    for number, group in groups.items():
        rows.append((f"  group {number}", group["type"] or ""))
        rows += [_function(member, host["pci"].get(member)) for member in group["members"]]
    grouped = {member for group in groups.values() for member in group["members"]}
    ungrouped = [address for address in host["pci"] if address not in grouped]
    if ungrouped:
        rows.append(("  no group", ""))
        rows += [_function(address, host["pci"][address]) for address in ungrouped]
    return rows


def _function(address: str, function: Json | None) -> _Row:
    if function is None:
        return f"    {address}", ""
    marks = [function["driver"] or "no driver"]
    if function["boot_display"]:
        marks.append("boot display")
    if function["physical_function"]:
        marks.append(f"virtual function of {function['physical_function']}")
    if function["removable"] == "removable":
        marks.append("removable")
    # A process may hold several nodes of the same function open.
    uses = list(dict.fromkeys(f"{use['kind'].replace('_', ' ')} {use['name']}" for use in function["in_use_by"]))
    if uses and not function["bridge"]:
        more = len(uses) - _MOST_USES
        marks.append("in use by " + ", ".join(uses[:_MOST_USES]) + (f" and {more} more" if more > 0 else ""))
    return f"    {address}", f"{class_name(function['class'])} {_ids_and_name(function)}{_bracketed(marks)}"


def _ids_and_name(function: Json) -> str:
    ids = f"{function['vendor'] or '????'}:{function['device'] or '????'}"
    return " ".join(filter(None, (ids, function["vendor_name"], function["device_name"])))


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
    return f"{round(size / (1 << (10 * power)), 1):g}{_JOINED}{_UNITS[power]}"


def _ranges(numbers: t.Sequence[int]) -> str:
    """Return numbers as the kernel prints lists of CPUs: `0-3,8`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ",".join("-".join(str(end) for end in ends) for ends in ranges)
