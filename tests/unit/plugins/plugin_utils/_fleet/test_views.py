# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What drawings say about machines: who has which core and which PCI function."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Core, Cpus, Machine
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.cpu_drawing import (
    cpu_boxes,
    guest_cpus,
    holder,
    ranges,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.pci_tree import pci_rows
from tests.machines import build


def machine(name: str, folder: Path) -> Machine:
    return probe(build(name, folder)).host


@pytest.mark.parametrize(("cpus", "owner"), [((2, 3), "guest"), ((0, 1), "host"), ((1, 2), "shared"), ((), "host")])
def test_who_has_a_core(cpus: tuple[int, ...], owner: str) -> None:
    assert holder(Core(cpus, 0, 0, 0, None, None), {2, 3}) == (owner if cpus else "guest")


def test_ranges() -> None:
    assert ranges((8, 0, 1, 3, 2, 11, 11)) == "0-3,8,11"
    assert ranges(()) == ""


def test_isolated_cpus_are_for_guests() -> None:
    cpus = Cpus((0, 1, 2), (), (1,), None, (), {})
    assert guest_cpus(cpus, (2,)) == {1, 2}


def test_levels_of_a_processor_with_two_caches(tmp_path: Path) -> None:
    host = machine("x3d", tmp_path)
    (package,) = cpu_boxes(host.cpus, {0})
    (node,) = package.children
    assert [cache.label for cache in node.children] == ["L3 96 MiB", "L3 32 MiB"]
    first = node.children[0].children[0]
    assert first.kind == "core shared"
    assert first.label == ",".join(map(str, host.cpus.cores[0].cpus))


def test_kinds_of_cores(tmp_path: Path) -> None:
    (package,) = cpu_boxes(machine("hybrid-laptop", tmp_path).cpus, ())
    notes = [core.note for cache in package.children[0].children for core in cache.children]
    assert {"P host", "E host"} == set(notes)


def test_functions_follow_their_bridge(tmp_path: Path) -> None:
    host = machine("twin-gpus", tmp_path)
    rows = pci_rows(host, {})
    assert sorted(row.address for row in rows) == sorted(host.pci)
    heights = {row.address: row.y for row in rows}
    for row in rows:
        parent = host.pci[row.address].parent
        assert row.parent_y == (heights[parent] if parent else None)
        assert parent is None or heights[parent] < row.y


def test_who_has_a_function(tmp_path: Path) -> None:
    host = machine("intel-desktop", tmp_path)
    gpu = "0000:01:00.0"
    host = host._replace(pci={**host.pci, gpu: host.pci[gpu]._replace(driver="vfio-pci")})
    rows = {row.address: row for row in pci_rows(host, {gpu: "gpu", "0000:01:00.1": "gpu"})}
    assert rows[gpu].holder == "guest"
    assert rows["0000:00:02.0"].holder == "host"
    assert {row.holder for row in rows.values() if host.pci[row.address].bridge} == {"bridge"}
    host = host._replace(pci={**host.pci, gpu: host.pci[gpu]._replace(driver="amdgpu")})
    assert {row.address: row for row in pci_rows(host, {gpu: "gpu"})}[gpu].holder == "staged"


def test_parents_in_a_circle_are_no_trap(tmp_path: Path) -> None:
    host = machine("twin-gpus", tmp_path)
    first, second = list(host.pci)[:2]
    pci = {
        **host.pci,
        first: host.pci[first]._replace(parent=second),
        second: host.pci[second]._replace(parent=first),
    }
    rows = pci_rows(host._replace(pci=pci), {})
    assert sorted(row.address for row in rows) == sorted(pci)


def test_a_chain_of_bridges_is_as_deep_as_it_likes(tmp_path: Path) -> None:
    host = machine("twin-gpus", tmp_path)
    function = next(iter(host.pci.values()))
    names = [f"{number:08x}:00:00.0" for number in range(5000)]
    pci = {name: function._replace(parent=parent) for name, parent in zip(names, [None, *names], strict=False)}
    rows = pci_rows(host._replace(pci=pci), {})
    assert len(rows) == 1000
    assert max(row.x for row in rows) < 300


def test_brackets_of_groups(tmp_path: Path) -> None:
    rows = pci_rows(machine("gpu-shares-group-with-disk", tmp_path), {})
    for before, after in itertools.pairwise(rows):
        assert before.last_of_group == after.first_of_group == (before.group != after.group)
