# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From variables to requests, or to everything that is wrong with the variables."""

from __future__ import annotations

import re
from typing import Any, Mapping

from .._machine.desired import (
    ALL,
    AT_BOOT,
    AT_RUN,
    AUTO,
    BOOT,
    BY_FUNCTION,
    BY_ID,
    DYNAMIC,
    SELECTED,
    CpuIsolationRequest,
    Desired,
    DeviceRequest,
    HugePagesRequest,
    IommuRequest,
    Selector,
)
from .input_reader import Variables
from .notation import numbers_text, page_size_text, parse_numbers, size_text
from .parse_extras import read_access, read_arguments, read_kvm
from .parse_selector import read_selector
from .refusals import CODES

_SECTIONS = (
    *("iommu", "devices", "hugepages", "cpu_isolation", "access", "kvm", "arguments"),
    *("memory_for_host", "accept"),
)
_DEVICE = ("name", "select", "functions", "bind_by", "with_group")
_HUGEPAGES = ("size", "memory", "count", "nodes", "at")
_CPU_ISOLATION = ("cpus", "keep_for_host", "count", "mode")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_A_CPU_LIST = "auto, a list such as 2-7,10, or none"


def parse_desired(raw: Mapping[str, Any], prefix: str = "") -> Desired | list[str]:
    """Return the requests, or all mistakes, each with its variable, what was found, what was expected and what to do.

    Args:
        raw: The sections by their names. One that is missing or null is not spoken of.
        prefix: What the names of the variables begin with, for the mistakes: `workstation_`.
    """
    found = Variables(prefix)
    values = found.mapping("", raw, _SECTIONS) or {}
    desired = Desired(
        iommu=_iommu(found, values.get("iommu")),
        devices=_devices(found, values.get("devices")),
        hugepages=_hugepages(found, values.get("hugepages")),
        cpu_isolation=_cpu_isolation(found, values.get("cpu_isolation")),
        access=read_access(found, values.get("access")),
        kvm=read_kvm(found, values.get("kvm")),
        arguments=read_arguments(found, values.get("arguments")),
        memory_for_host=found.size("memory_for_host", values.get("memory_for_host")),
        accepted=_accepted(found, values.get("accept")),
    )
    return found.mistakes or desired


def _iommu(found: Variables, raw: Any) -> IommuRequest | None:
    values = found.mapping("iommu", raw, ("pass_through",))
    if values is None:
        return None
    return IommuRequest(found.boolean("iommu.pass_through", values.get("pass_through")) or False)


def _devices(found: Variables, raw: Any) -> tuple[DeviceRequest, ...] | None:
    items = found.items("devices", raw)
    if items is None:
        return None
    requests = [request for path, item in items for request in [_device(found, path, item)] if request is not None]
    names = [request.name for request in requests]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        found.say("devices", name, "a name of its own for each device", "Rename all but one of them.")
    return tuple(requests)


def _device(found: Variables, path: str, raw: Any) -> DeviceRequest | None:
    values = found.mapping(path, raw, _DEVICE)
    if values is None:
        found.missing(path, raw, "a mapping with name and select")
        return None
    name = values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = "a name of letters, digits, and _ . - between them"
        found.say(f"{path}.name", name, expected, "Give the device a short name, such as gpu.")
        name = ""
    select = read_selector(found, f"{path}.select", values.get("select"))
    members = found.items(f"{path}.with_group", values.get("with_group")) or []
    return DeviceRequest(
        name=name,
        select=select or Selector(),
        functions=found.choice(f"{path}.functions", values.get("functions"), (ALL, SELECTED)) or ALL,
        bind_by=found.choice(f"{path}.bind_by", values.get("bind_by"), (BY_FUNCTION, BY_ID)) or BY_FUNCTION,
        with_group=tuple(
            one for where, item in members for one in [read_selector(found, where, item)] if one is not None
        ),
    )


def _hugepages(found: Variables, raw: Any) -> tuple[HugePagesRequest, ...] | None:
    items = found.items("hugepages", raw)
    if items is None:
        return None
    requests = [
        (path, request) for path, item in items for request in [_pages(found, path, item)] if request is not None
    ]
    for position, (path, request) in enumerate(requests):
        for _path, other in requests[:position]:
            if request.size_kb == other.size_kb and not _apart(request, other):
                expected = "each size once, or with lists of nodes that have none in common"
                size = page_size_text(request.size_kb)
                found.say(f"{path}.size", size, expected, "Put the two together, or name each one's nodes.")
                break
    return tuple(request for _path, request in requests)


def _apart(one: HugePagesRequest, other: HugePagesRequest) -> bool:
    both_named = isinstance(one.nodes, tuple) and isinstance(other.nodes, tuple)
    return both_named and not set(one.nodes or ()).intersection(other.nodes or ())


def _pages(found: Variables, path: str, raw: Any) -> HugePagesRequest | None:
    values = found.mapping(path, raw, _HUGEPAGES)
    if values is None:
        found.missing(path, raw, "a mapping with size, and memory or count")
        return None
    size = found.size(f"{path}.size", values.get("size"))
    if values.get("size") is None:
        found.missing(f"{path}.size", None, "a page size, such as 1G or 2M")
    elif size is not None and (size % 1024 or size & (size - 1)):
        found.say(f"{path}.size", values["size"], "a power of two", "Write a page size, such as 1G or 2M.")
        size = None
    count = _count(found, path, values, size)
    nodes = _nodes(found, f"{path}.nodes", values)
    at = found.choice(f"{path}.at", values.get("at"), (AUTO, AT_BOOT, AT_RUN)) or AUTO
    return HugePagesRequest(size // 1024, count, nodes, at) if size is not None and count is not None else None


def _count(found: Variables, path: str, values: Mapping[str, Any], size: int | None) -> int | None:
    memory, count = values.get("memory"), values.get("count")
    if (memory is None) == (count is None):
        what = "neither" if memory is None else "both"
        found.say(path, what, "one of memory and count", "Say how much memory, such as 16G, or how many pages.")
        return None
    if memory is None:
        return found.number(f"{path}.count", count, 1)
    amount = found.size(f"{path}.memory", memory)
    if amount is None or size is None:
        return None
    if amount % size or not amount:
        below, page = amount // size * size, page_size_text(size // 1024)
        nearest = f"{size_text(below)} or {size_text(below + size)}" if below else size_text(size)
        found.say(f"{path}.memory", memory, f"a multiple of the page size {page}", f"Write {nearest}.")
        return None
    return amount // size


def _nodes(found: Variables, path: str, values: Mapping[str, Any]) -> tuple[int, ...] | str | None:
    """Return nodes: null is a request of its own here, so that only a missing one is `auto`."""
    if "nodes" not in values:
        return AUTO
    raw = values["nodes"]
    if raw is None or raw == AUTO:
        return AUTO if raw == AUTO else None
    nodes = _numbers(raw)
    if not nodes:
        found.say(path, raw, "auto, null, or a list such as [0, 1]", "Name the nodes, or leave it out for auto.")
        return AUTO
    return nodes


def _cpu_isolation(found: Variables, raw: Any) -> CpuIsolationRequest | None:
    values = found.mapping("cpu_isolation", raw, _CPU_ISOLATION)
    if values is None:
        return None
    cpus = _cpus(found, values.get("cpus"))
    keep = found.number("cpu_isolation.keep_for_host", values.get("keep_for_host"), 1)
    count = found.number("cpu_isolation.count", values.get("count"), 1)
    mode = found.choice("cpu_isolation.mode", values.get("mode"), (DYNAMIC, BOOT)) or DYNAMIC
    if count is not None and isinstance(cpus, tuple):
        expected = f"no count, since cpus names {numbers_text(cpus) or 'none'}"
        found.say("cpu_isolation.count", count, expected, "Leave out the count, or write cpus: auto.")
    return CpuIsolationRequest(cpus, keep, count, mode)


def _cpus(found: Variables, raw: Any) -> tuple[int, ...] | str:
    if raw is None or raw == AUTO:
        return AUTO
    if raw in ("none", []):
        return ()
    cpus = _numbers(raw)
    if cpus is None:
        found.say("cpu_isolation.cpus", raw, _A_CPU_LIST, "Write the numbers of CPUs, and ranges of them, with commas.")
        return AUTO
    return cpus


def _numbers(raw: Any) -> tuple[int, ...] | None:
    """Return the numbers of `2-7,10`, of 4, or of [2, 3]."""
    if isinstance(raw, (list, tuple)):
        parts = [_numbers(item) for item in raw if not isinstance(item, (list, tuple))]
        if len(parts) != len(raw) or None in parts:
            return None
        return tuple(sorted({number for part in parts if part is not None for number in part}))
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    return parse_numbers(raw) if isinstance(raw, str) else None


def _accepted(found: Variables, raw: Any) -> frozenset[str]:
    items = found.items("accept", raw) or []
    for path, code in items:
        if not isinstance(code, str) or code not in CODES:
            found.say(path, code, "the code of a refusal", f"There are: {', '.join(sorted(CODES))}.")
    return frozenset(code for _path, code in items if isinstance(code, str))
