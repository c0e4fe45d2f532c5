# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that runs the tests: the probe agrees with lspci, lscpu, lstopo and the kernel's own files."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.tests.readers import (
    LscpuRow,
    read_hwloc,
    read_lscpu,
    read_lscpu_summary,
    read_lspci,
)
from ansible_collections.vfio.workstation.tests.readers.contract import violations

_VENDORS = {"GenuineIntel": "intel", "AuthenticAMD": "amd", "ARM": "arm"}


@pytest.fixture(scope="module")
def reading() -> dict[str, Any]:
    """Return the reading of this machine."""
    reading: dict[str, Any] = to_json(probe())
    return reading


@pytest.fixture(scope="module")
def host(reading: dict[str, Any]) -> dict[str, Any]:
    """Return the machine in the reading."""
    machine: dict[str, Any] = reading["host"]
    return machine


@pytest.fixture(scope="module")
def rows() -> list[LscpuRow]:
    """Return the CPUs as read by lscpu."""
    lscpu_rows = read_lscpu()
    assert lscpu_rows, "lscpu reads no CPUs"
    return lscpu_rows


def test_the_contract_holds(reading: dict[str, Any]) -> None:
    assert violations(reading) == []


def test_files_that_can_be_read_are_not_unreadable(reading: dict[str, Any]) -> None:
    denied = [file["path"] for file in reading["unreadable"] if os.access(file["path"], os.R_OK)]
    # More than a file's mode may deny access to a container's root; lockdown denies MSRs, and iomem may show zeros.
    assert [path for path in denied if not path.startswith(("/dev/", "/proc/", "/sys/firmware/"))] == []


def test_functions_agree_with_lspci(host: dict[str, Any]) -> None:
    if not Path("/sys/bus/pci/devices").exists():
        assert host["pci"] == {}
        return
    functions = read_lspci()
    assert set(host["pci"]) == set(functions)
    for address, function in functions.items():
        actual = host["pci"][address]
        expected = {
            "vendor": function.vendor,
            "device": function.device,
            "driver": function.driver,
            "iommu_group": function.iommu_group,
            "numa_node": function.numa_node,
        }
        assert {key: actual[key] for key in expected} == expected, address
        assert actual["class"] == function.class_ + (function.programming_interface or "00"), address
        assert actual["revision"] == (function.revision or "00"), address
        for key, value in (
            ("subsystem_vendor", function.subsystem_vendor),
            ("subsystem_device", function.subsystem_device),
        ):
            assert actual[key] == value or (value is None and actual[key] in (None, "0000", "ffff")), (address, key)


def test_cpus_agree_with_lscpu(host: dict[str, Any], rows: list[LscpuRow]) -> None:
    cores = {cpu: core for core in host["cpus"]["cores"] for cpu in core["cpus"]}
    assert host["cpus"]["online"] == sorted(row.cpu for row in rows)
    assert _shared(cores.items(), lambda core: tuple(core["cpus"])) == _shared_rows(
        rows, lambda row: (row.socket, row.core)
    )
    assert _shared(cores.items(), lambda core: core["package"]) == _shared_rows(rows, lambda row: row.socket)
    assert _shared(cores.items(), lambda core: core["l3"] or "") == _shared_rows(rows, lambda row: row.l3)
    assert {cpu: "" if core["node"] is None else str(core["node"]) for cpu, core in cores.items()} == {
        row.cpu: row.node for row in rows
    }


def test_the_processor_agrees_with_lscpu(host: dict[str, Any]) -> None:
    summary = read_lscpu_summary()
    assert host["cpu"]["vendor"] == _VENDORS.get(summary["Vendor ID"], "other")
    assert len(host["cpus"]["online"]) + len(host["cpus"]["offline"]) == int(summary["CPU(s)"])
    assert (host["cpu"]["hypervisor"] is not None) == ("Hypervisor vendor" in summary)
    if host["cpu"]["vendor"] in ("intel", "amd"):
        assert host["cpu"]["model"] == summary["Model name"]
        has_flag = bool({"vmx", "svm"}.intersection(summary["Flags"].split()))
        assert (host["cpu"]["virtualization"]["state"] in ("ready", "module_not_loaded")) <= has_flag


def test_memory_agrees_with_the_kernel(host: dict[str, Any]) -> None:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    total = re.search(r"^MemTotal: +([0-9]+) kB$", text, re.MULTILINE)
    assert total
    assert host["memory"]["total_bytes"] == int(total.group(1)) * 1024
    pools = {
        name.name.removeprefix("hugepages-").removesuffix("kB")
        for name in Path("/sys/kernel/mm/hugepages").glob("hugepages-*")
    }
    assert {size for node in host["memory"]["nodes"].values() for size in node["hugepages"]} == pools


def test_nodes_and_caches_agree_with_lstopo(host: dict[str, Any]) -> None:
    machine = read_hwloc()
    assert machine is not None
    online = set(host["cpus"]["online"])
    assert {
        int(number): online.intersection(node["cpus"]) for number, node in host["memory"]["nodes"].items()
    } == machine.nodes
    assert {frozenset(group["cpus"]): group["size_bytes"] for group in host["cpus"]["l3_groups"].values()} == machine.l3
    assert {frozenset(core["cpus"]) for core in host["cpus"]["cores"]} == machine.cores


def test_the_kernel_and_distribution(host: dict[str, Any]) -> None:
    assert host["boot"]["running"]["version"] == platform.release()
    assert host["boot"]["running"]["cmdline"] == Path("/proc/cmdline").read_text(encoding="utf-8").strip()
    release = platform.freedesktop_os_release()
    assert host["os"]["id"] == release["ID"]
    assert host["os"]["version_id"] == release.get("VERSION_ID")
    assert host["os"]["like"] == release.get("ID_LIKE", "").split()


def test_the_device_under_the_root_file_system_is_in_use(host: dict[str, Any]) -> None:
    """The functions above the disk of `/`, if any, have the use."""
    device = os.stat("/").st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    functions = [part for part in (disk.resolve().parts if disk.exists() else ()) if part in host["pci"]]
    mount = {"kind": "mount", "name": "/"}
    in_use = {
        address
        for address, function in host["pci"].items()
        if any(mount.items() <= use.items() for use in function["in_use_by"])
    }
    assert set(functions) <= in_use


def _shared(
    cores: Iterable[tuple[int, dict[str, Any]]], key: Callable[[dict[str, Any]], Hashable]
) -> set[frozenset[int]]:
    groups: dict[Hashable, set[int]] = {}
    for cpu, core in cores:
        groups.setdefault(key(core), set()).add(cpu)
    return {frozenset(members) for members in groups.values()}


def _shared_rows(rows: Iterable[LscpuRow], key: Callable[[LscpuRow], Hashable]) -> set[frozenset[int]]:
    groups: dict[Hashable, set[int]] = {}
    for row in rows:
        groups.setdefault(key(row), set()).add(row.cpu)
    return {frozenset(members) for members in groups.values()}
