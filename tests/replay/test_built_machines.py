# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The builder writes files as a kernel does: lspci, lscpu and lstopo read built machines as the probe does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.tests.machines import build, generate, load
from ansible_collections.vfio.workstation.tests.readers import read_hwloc, read_lscpu, read_lspci, read_serial_numbers
from ansible_collections.vfio.workstation.tests.readers.contract import violations

_BUILT = ("amd-desktop", "hybrid-laptop", "intel-server-apicv", "kvm-guest", "masks-only", "twin-gpus", "x3d")


@pytest.mark.parametrize("name", _BUILT)
def test_other_programs_read_a_built_machine_as_the_probe_does(name: str, tmp_path: Path) -> None:
    root = build(name, tmp_path)
    host = to_json(probe(root))["host"]
    functions = read_lspci(root)
    assert set(functions) == set(host["pci"])
    for address, expected in functions.items():
        actual = host["pci"][address]
        assert (actual["vendor"], actual["device"], actual["class"][:4]) == (
            expected.vendor,
            expected.device,
            expected.class_,
        )
        assert (actual["driver"], actual["iommu_group"]) == (expected.driver, expected.iommu_group)
        assert actual["numa_node"] == expected.numa_node
    # lspci reads suspended functions too
    expected_serials = {
        address: number
        for address, number in read_serial_numbers(root).items()
        if not load(name)["pci"][address].get("asleep")
    }
    assert {
        address: function["serial_number"] for address, function in host["pci"].items() if function["serial_number"]
    } == expected_serials
    rows = read_lscpu(root)
    assert rows is not None
    assert [row.cpu for row in rows] == host["cpus"]["online"]
    machine = read_hwloc(root)
    assert machine is not None
    assert {frozenset(core["cpus"]) for core in host["cpus"]["cores"]} == machine.cores
    assert {frozenset(group["cpus"]): group["size_bytes"] for group in host["cpus"]["l3_groups"].values()} == machine.l3
    assert {int(number): node["total_bytes"] for number, node in host["memory"]["nodes"].items()} == machine.memory


@pytest.mark.parametrize("functions", [1, 50, 500])
def test_generated_machines_have_that_many_functions(functions: int, tmp_path: Path) -> None:
    root = generate(functions, tmp_path)
    reading = to_json(probe(root))
    assert violations(reading) == []
    host = reading["host"]
    assert len(host["pci"]) == len(read_lspci(root)) == functions
    assert len(host["iommu"]["groups"]) == functions
    assert host["iommu"]["state"] == "enabled"
    behind = [function for function in host["pci"].values() if function["parent"]]
    assert len(behind) == functions // 2
    assert all(host["pci"][function["parent"]]["bridge"] for function in behind)
    serials = {
        address: function["serial_number"] for address, function in host["pci"].items() if function["serial_number"]
    }
    assert serials == read_serial_numbers(root)
    assert len(serials) == len(behind)
