# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the options of the module `host` into a request, or into all mistakes."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping, NamedTuple

from .._machine.desired import (
    AUTO,
    CpuIsolationRequest,
    Desired,
    DeviceRequest,
    HugePagesRequest,
    IommuRequest,
    Selector,
)
from .input_reader import InputReader
from .notation import numbers_text, page_size_text, parse_numbers, size_text
from .parse_extras import parse_access, parse_arguments, parse_kvm
from .parse_selector import parse_selector
from .refusals import HOST_CODES
from .request_spec import ABSENT, DEVICE, HOST, PRESENT, REPLACE, REQUEST, SECTION_OPTIONS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


class HostOptions(NamedTuple):
    """All options of the module."""

    desired: Desired
    absent: tuple[str, ...] | None  # the sections to remove; None where the request is applied
    replace: bool  # whether conflicting arguments of others are set aside
    root: str
    local_command: bool = True


def parse_host(options: Mapping[str, Any], names: Mapping[str, str] = _NO_NAMES) -> HostOptions | list[str]:
    """Return the options of the module, or all mistakes: where, what was found, what was expected, what to do.

    Args:
        options: The options as the user wrote them. One that is missing or null is omitted.
        names: The variables that options were filled from, by the paths of these options; mistakes name them.
    """
    reader = InputReader(names)
    values = reader.options(options, HOST)
    desired = _desired(reader, values)
    requested = [name for name in SECTION_OPTIONS if options.get(name) is not None]
    if values["state"] == ABSENT and requested:
        reader.report_sentence(
            "state",
            f"absent removes sections, and {', '.join(requested)} is requested at the same time. "
            "Omit the requests, and name the sections to remove in `sections`.",
        )
    if values["state"] == PRESENT and values["sections"] is not None:
        reader.report_sentence("sections", "applies to state=absent only. Omit it, or set state=absent.")
    if values["trial"] and not values["local_command"]:
        reader.report_sentence(
            "trial",
            "requires the command on the host, and local_command is false. Set local_command to true, or trial to "
            "false.",
        )
    if reader.mistakes:
        return reader.mistakes
    sections = tuple(section for _path, section in values["sections"] or ())
    return HostOptions(
        desired=desired,
        absent=(sections or tuple(SECTION_OPTIONS)) if values["state"] == ABSENT else None,
        replace=values["conflicts"] == REPLACE,
        root=str(values["root"]),
        local_command=bool(values["local_command"]),
    )


def parse_desired(options: Mapping[str, Any], names: Mapping[str, str] = _NO_NAMES) -> Desired | list[str]:
    """Return a request, or all mistakes; as `parse_host`, without the options that say what to do with the request."""
    reader = InputReader(names)
    desired = _desired(reader, reader.options(options, REQUEST))
    return reader.mistakes or desired


def _desired(reader: InputReader, values: Mapping[str, Any]) -> Desired:
    return Desired(
        iommu=IommuRequest(bool(values["iommu"]["pass_through"])) if values["iommu"] is not None else None,
        devices=_devices(reader, values["devices"]),
        hugepages=_hugepages(reader, values["hugepages"]),
        cpu_isolation=_cpu_isolation(reader, values["cpu_isolation"]),
        access=parse_access(reader, values["access"]),
        kvm=parse_kvm(values["kvm"]),
        arguments=parse_arguments(reader, values["arguments"]),
        trial=values["trial"],
        trial_timeout=values["trial_timeout"],
        memory_for_host=reader.size("memory_for_host", values["memory_for_host"]),
        accepted=_accepted(reader, values["accept"]),
    )


def _devices(reader: InputReader, items: Any) -> tuple[DeviceRequest, ...] | None:
    if items is None:
        return None
    requests = [_device(reader, path, values) for path, values in items if values is not None]
    names = [request.name for request in requests]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        reader.report("devices", name, "a different name for each device", "Rename all but one of them.")
    return tuple(requests)


def _device(reader: InputReader, path: str, values: Mapping[str, Any]) -> DeviceRequest:
    name = values["name"]
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        remedy = "Give the device a short name, such as gpu."
        reader.report(f"{path}.name", name, DEVICE["name"].expected, remedy)
        name = None
    selectors = [parse_selector(reader, where, item) for where, item in values["with_group"]]
    return DeviceRequest(
        name=name or "",
        select=parse_selector(reader, f"{path}.select", values["select"]) or Selector(),
        functions=values["functions"],
        bind_by=values["bind_by"],
        with_group=tuple(selector for selector in selectors if selector is not None),
    )


def _hugepages(reader: InputReader, items: Any) -> tuple[HugePagesRequest, ...] | None:
    if items is None:
        return None
    parsed = [(path, _pages(reader, path, values)) for path, values in items if values is not None]
    requests = [(path, request) for path, request in parsed if request is not None]
    for position, (path, request) in enumerate(requests):
        for _path, other in requests[:position]:
            if request.size_kb == other.size_kb and not _are_disjoint(request, other):
                expected = "each size once, or with lists of nodes that have none in common"
                size = page_size_text(request.size_kb)
                reader.report(f"{path}.size", size, expected, "Combine the two, or name the nodes of each.")
                break
    return tuple(request for _path, request in requests)


def _are_disjoint(first: HugePagesRequest, second: HugePagesRequest) -> bool:
    """Return whether two requests name their nodes and have none in common."""
    both_named = isinstance(first.nodes, tuple) and isinstance(second.nodes, tuple)
    return both_named and not set(first.nodes or ()).intersection(second.nodes or ())


def _pages(reader: InputReader, path: str, values: Mapping[str, Any]) -> HugePagesRequest | None:
    size = reader.size(f"{path}.size", values["size"])
    if size is not None and (size % 1024 or size & (size - 1)):
        reader.report(f"{path}.size", values["size"], "a power of two", "Write a page size, such as 1G or 2M.")
        size = None
    count = _page_count(reader, path, values, size)
    nodes = _nodes(reader, f"{path}.nodes", values["nodes"])
    if size is None or count is None:
        return None
    return HugePagesRequest(size // 1024, count, nodes, values["at"])


def _page_count(reader: InputReader, path: str, values: Mapping[str, Any], size: int | None) -> int | None:
    memory, count = values["memory"], values["count"]
    if (memory is None) == (count is None):
        reader.report_sentence(path, "set exactly one of memory and count, such as memory: 16G.")
        return None
    if memory is None:
        return int(count)
    amount = reader.size(f"{path}.memory", memory)
    if amount is None or size is None:
        return None
    if amount % size or not amount:
        below, page = amount // size * size, page_size_text(size // 1024)
        sizes = f"{size_text(below)} or {size_text(below + size)}" if below else size_text(size)
        reader.report(f"{path}.memory", memory, f"a multiple of the page size {page}", f"Write {sizes}.")
        return None
    return amount // size


def _nodes(reader: InputReader, path: str, value: Any) -> tuple[int, ...] | str | None:
    """Return the NUMA nodes of huge pages: AUTO, a list, or None where the kernel chooses."""
    if value is None or value == AUTO:
        return AUTO if value == AUTO else None
    nodes = _numbers(value)
    if not nodes:
        reader.report(path, value, "auto, null, or a list such as [0, 1]", "Name the nodes, or omit it for auto.")
        return AUTO
    return nodes


def _cpu_isolation(reader: InputReader, values: Mapping[str, Any] | None) -> CpuIsolationRequest | None:
    if values is None:
        return None
    cpus, count = _cpus(reader, values["cpus"]), values["count"]
    if count is not None and isinstance(cpus, tuple):
        expected = f"no count, because cpus is {numbers_text(cpus) or 'none'}"
        reader.report("cpu_isolation.count", count, expected, "Omit the count, or set cpus to auto.")
    return CpuIsolationRequest(cpus, values["keep_for_host"], count, values["mode"])


def _cpus(reader: InputReader, value: Any) -> tuple[int, ...] | str:
    if value == AUTO:
        return AUTO
    if value in ("none", []):
        return ()
    cpus = _numbers(value)
    if cpus is None:
        expected = "auto, a list such as 2-7,10, or none"
        remedy = "Write numbers and ranges of CPUs, separated by commas."
        reader.report("cpu_isolation.cpus", value, expected, remedy)
        return AUTO
    return cpus


def _numbers(value: Any) -> tuple[int, ...] | None:
    """Return the numbers of `2-7,10`, of 4, or of [2, 3]."""
    if isinstance(value, (list, tuple)):
        parts = [_numbers(item) for item in value if not isinstance(item, (list, tuple))]
        if len(parts) != len(value) or None in parts:
            return None
        return tuple(sorted({number for part in parts if part is not None for number in part}))
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return parse_numbers(value) if isinstance(value, str) else None


def _accepted(reader: InputReader, items: Any) -> frozenset[str]:
    for path, code in items:
        if not isinstance(code, str) or code not in HOST_CODES:
            reader.report(path, code, "a refusal code", f"Use one of {', '.join(sorted(HOST_CODES))}.")
    return frozenset(code for _path, code in items if isinstance(code, str))
