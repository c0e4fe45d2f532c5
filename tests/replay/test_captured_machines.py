# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe agrees on captured machines with lspci, lscpu and lstopo, and with the reports that some are made from.

README.md explains each difference that is allowed here.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.tests.readers import read_hwloc, read_lscpu, read_lspci


@pytest.fixture(scope="session")
def host(captured: Path) -> dict[str, Any]:
    """Return the machine as read by the probe."""
    machine: dict[str, Any] = to_json(probe(str(captured)))["host"]
    return machine


def test_agrees_with_the_report(captured: Path, host: dict[str, Any]) -> None:
    report = captured / "expected.json"
    if not report.exists():
        assert not list(captured.glob("*.json"))
        return
    expected = json.loads(report.read_text(encoding="utf-8"))
    groups = {number: group["members"] for number, group in host["iommu"]["groups"].items()}
    assert groups == {number: sorted(members, key=_bus_order) for number, members in expected["groups"].items()}
    ungrouped = [address for address, function in host["pci"].items() if function["iommu_group"] is None]
    assert ungrouped == sorted(expected["ungrouped"], key=_bus_order)
    assert {
        address: {
            "id": f"{function['vendor']}:{function['device']}",
            "class": function["class"][:4],
            "driver": function["driver"],
        }
        for address, function in host["pci"].items()
    } == expected["devices"]
    assert host["iommu"]["state"] == "enabled"


def test_functions_agree_with_lspci(captured: Path, host: dict[str, Any]) -> None:
    if not (captured / "sys/bus/pci/devices").exists():
        assert host["pci"] == {}
        return
    functions = read_lspci(str(captured))
    assert list(host["pci"]) == sorted(functions, key=_bus_order)
    for address, function in functions.items():
        actual = host["pci"][address]
        expected = {
            "vendor": function.vendor,
            "device": function.device,
            "driver": function.driver or _driver_by_dangling_link(captured, address),
            "iommu_group": function.iommu_group,
            "numa_node": function.numa_node,
            "class": function.class_,
        }
        assert {**{key: actual[key] for key in expected}, "class": actual["class"][:4]} == expected, address
        for key, value in (
            ("subsystem_vendor", function.subsystem_vendor),
            ("subsystem_device", function.subsystem_device),
        ):
            assert actual[key] == value or (value is None and actual[key] in (None, "0000", "ffff")), (address, key)
        if function.programming_interface is not None:
            assert actual["class"][4:] == function.programming_interface, address
        if (captured / "sys/bus/pci/devices" / address / "revision").exists():  # README: revisions of old kernels
            assert actual["revision"] == (function.revision or "00"), address
        else:
            assert actual["revision"] is None, address


def test_cpus_agree_with_lscpu(captured: Path, host: dict[str, Any]) -> None:
    rows = read_lscpu(str(captured))
    if rows is None:
        assert not (captured / "sys/devices/system/cpu/possible").exists() or not (captured / "proc/cpuinfo").exists()
        return
    cores = host["cpus"]["cores"]
    assert sorted(host["cpus"]["online"]) == [row.cpu for row in rows]
    core_of = _by_cpu(cores)
    assert _partition(core_of, lambda core: tuple(core["cpus"])) == _groups(rows, lambda row: (row.socket, row.core))
    assert _partition(core_of, lambda core: core["package"]) == _groups(rows, lambda row: row.socket)
    assert {cpu: "" if core["node"] is None else str(core["node"]) for cpu, core in core_of.items()} == {
        row.cpu: row.node for row in rows
    }
    assert _partition(core_of, lambda core: core["l3"] or "") == _groups(rows, lambda row: row.l3)


def test_cpus_agree_with_lstopo(captured: Path, host: dict[str, Any]) -> None:
    machine = read_hwloc(str(captured))
    if machine is None:
        assert not (captured / "sys/devices/system/cpu").exists()
        assert host["cpus"]["cores"] == []
        return
    assert set(host["cpus"]["online"]) == machine.online
    assert {frozenset(core["cpus"]) for core in host["cpus"]["cores"]} == machine.cores
    packages: dict[int, set[int]] = {}
    for core in host["cpus"]["cores"]:
        packages.setdefault(core["package"], set()).update(core["cpus"])
    assert packages == machine.packages
    assert {frozenset(group["cpus"]): group["size_bytes"] for group in host["cpus"]["l3_groups"].values()} == machine.l3


def test_memory_agrees_with_lstopo(captured: Path, host: dict[str, Any]) -> None:
    machine = read_hwloc(str(captured))
    if machine is None:
        assert host["memory"]["nodes"] == {}
        return
    nodes = {int(number): node for number, node in host["memory"]["nodes"].items()}
    assert {number: set(node["cpus"]) for number, node in nodes.items()} == machine.nodes
    assert {number: node["total_bytes"] for number, node in nodes.items()} == machine.memory
    for number, node in nodes.items():
        huge = {int(size) * 1024: pool["total"] for size, pool in node["hugepages"].items()}
        base = min(machine.pages[number])
        assert huge == {size: count for size, count in machine.pages[number].items() if size != base}


def _driver_by_dangling_link(captured: Path, address: str) -> str | None:
    """Return the driver that a dangling link names (README: the drivers' folders were not captured)."""
    link = captured / "sys/bus/pci/devices" / address / "driver"
    return link.readlink().name if link.is_symlink() and not link.exists() else None


def _bus_order(address: str) -> tuple[int, str]:
    domain, _colon, rest = address.partition(":")
    return int(domain, 16), rest


def _by_cpu(cores: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {cpu: core for core in cores for cpu in core["cpus"]}


def _partition(cores: dict[int, dict[str, Any]], key: Any) -> set[frozenset[int]]:
    groups: dict[Hashable, set[int]] = {}
    for cpu, core in cores.items():
        groups.setdefault(key(core), set()).add(cpu)
    return {frozenset(members) for members in groups.values()}


def _groups(rows: Iterable[Any], key: Any) -> set[frozenset[int]]:
    groups: dict[Hashable, set[int]] = {}
    for row in rows:
        groups.setdefault(key(row), set()).add(row.cpu)
    return {frozenset(members) for members in groups.values()}
