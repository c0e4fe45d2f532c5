# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a host, and the document that queries are evaluated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._report import query_document, report_lines
from tests.machines import build, names


def read(name: str, folder: Path) -> dict[str, Any]:
    reading: dict[str, Any] = to_json(probe(str(build(name, folder / name))))
    return reading


def line(lines: list[str], start: str) -> str:
    (match,) = (text for text in lines if text.strip().startswith(start))
    return match


def test_identical_gpus_are_distinguished(tmp_path: Path) -> None:
    lines = report_lines(read("twin-gpus", tmp_path), "ws1")
    assert lines[0].startswith("ws1: debian 13, AMD ")
    kept, given = line(lines, "group 12"), line(lines, "group 20")
    assert "0000:01:00.0 display 10de:2684" in kept
    assert "boot display" in kept
    assert kept.count("process gnome-shell (1437)") == 1
    assert "0000:41:00.0 display 10de:2684 (vfio-pci)" in given
    assert "in use" not in given


def test_the_reason_is_printed_if_virtualization_is_disabled(tmp_path: Path) -> None:
    reading = read("svm-disabled-by-firmware", tmp_path)
    lines = report_lines(reading, "ws1")
    assert (
        line(lines, "virtualization").split("  ")[-1].startswith("disabled by firmware: AMD-V is disabled in firmware")
    )
    assert reading["host"]["cpu"]["virtualization"]["reason"] in line(lines, "virtualization")


def test_every_group_and_every_function_without_a_group_has_a_line(tmp_path: Path) -> None:
    for name in ("gpu-shares-group-with-disk", "storage-stacks", "arm-board"):
        reading = read(name, tmp_path)
        lines = report_lines(reading, "ws1")
        groups = reading["host"]["iommu"]["groups"]
        assert [text.split()[1] for text in lines if text.startswith("  group ")] == list(groups)
        for group, number in ((group, number) for number, group in groups.items()):
            assert all(member in line(lines, f"group {number} ") for member in group["members"])
        grouped = {member for group in groups.values() for member in group["members"]}
        ungrouped = [text for text in lines if text.startswith("  no group")]
        assert len(ungrouped) == len(set(reading["host"]["pci"]) - grouped)


def test_files_that_only_root_can_read_are_reported(tmp_path: Path) -> None:
    reading = read("amd-desktop", tmp_path)
    reading["unreadable"] = [{"path": "/boot/grub/grub.cfg", "error": "Permission denied", "values": ["boot.kernels"]}]
    last = report_lines(reading, "ws1")[-1]
    assert "/boot/grub/grub.cfg (boot.kernels)" in last
    assert "root" in last


@pytest.mark.parametrize("name", names())
def test_every_described_machine_can_be_printed(name: str, tmp_path: Path) -> None:
    lines = report_lines(read(name, tmp_path), name)
    # A claim quotes a line of a file, in which a brace may be: of udev's ATTR{...}.
    braces = [("{'" if text.startswith("  claim ") else "{", text) for text in lines]
    assert all("None" not in text and brace not in text for brace, text in braces)


def test_an_empty_tree_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    lines = report_lines(to_json(probe(str(tmp_path))), "nothing")
    assert lines[0] == "nothing: unknown system, unknown processor"


def test_group_mates_are_other_devices_and_not_bridges(tmp_path: Path) -> None:
    document = query_document(
        {"twins": read("twin-gpus", tmp_path), "shared": read("gpu-shares-group-with-disk", tmp_path)}
    )
    twins, shared = ({item["address"]: item for item in machine["functions"]} for machine in document)
    assert twins["0000:41:00.0"]["group_mates"] == []  # its own audio function is not a mate
    displays = [item for item in shared.values() if item["class"].startswith("03") and item["group_mates"]]
    assert displays
    for display in displays:
        assert all(not shared[mate]["bridge"] for mate in display["group_mates"])
        assert any(shared[mate]["class"].startswith("01") for mate in display["group_mates"])
