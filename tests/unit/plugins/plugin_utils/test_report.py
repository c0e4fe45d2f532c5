# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on a host, and the document that queries are evaluated on."""

from __future__ import annotations

import re
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
    """Return the row with a label, without the line breaks and the indentation of its continuations."""
    (row,) = (text for text in rows(lines) if text.strip().startswith(start))
    return row


def rows(lines: list[str]) -> list[str]:
    joined: list[str] = []
    for text in lines:
        if text.startswith(" " * 18):
            joined[-1] += f" {text.strip()}"
        else:
            joined.append(text)
    return joined


def groups_in(lines: list[str]) -> dict[str, dict[str, str]]:
    """Return the rows of functions by the name of their section, `group 12` or `no group`."""
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for text in rows(lines):
        match = re.match(r"  (group [0-9]+|no group)\b", text)
        if match:
            section = sections.setdefault(match[1], {})
        elif text.startswith("    "):
            address, _space, description = text.strip().partition(" ")
            section[address] = description.strip()
        else:
            section = {}
    return sections


def test_identical_gpus_are_distinguished(tmp_path: Path) -> None:
    lines = report_lines(read("twin-gpus", tmp_path), "ws1")
    assert lines[0].startswith("ws1: debian 13, AMD ")
    kept, given = groups_in(lines)["group 12"], groups_in(lines)["group 20"]
    assert kept["0000:01:00.0"].startswith("display 10de:2684 ")
    assert "boot display" in kept["0000:01:00.0"]
    assert kept["0000:01:00.0"].count("process gnome-shell (1437)") == 1
    assert given == {"0000:41:00.0": "display 10de:2684 (vfio-pci)", "0000:41:00.1": "audio 10de:22ba (vfio-pci)"}


def test_the_reason_is_printed_if_virtualization_is_disabled(tmp_path: Path) -> None:
    reading = read("svm-disabled-by-firmware", tmp_path)
    lines = report_lines(reading, "ws1")
    assert line(lines, "virtualization").startswith(
        "  virtualization  disabled by firmware: AMD-V is disabled in firmware"
    )
    assert reading["host"]["cpu"]["virtualization"]["reason"] in line(lines, "virtualization")


def test_every_group_and_every_function_without_a_group_has_a_line(tmp_path: Path) -> None:
    for name in ("gpu-shares-group-with-disk", "storage-stacks", "arm-board"):
        reading = read(name, tmp_path)
        lines = report_lines(reading, "ws1")
        groups = reading["host"]["iommu"]["groups"]
        sections = groups_in(lines)
        grouped = {member for group in groups.values() for member in group["members"]}
        ungrouped = [address for address in reading["host"]["pci"] if address not in grouped]
        expected = {f"group {number}": group["members"] for number, group in groups.items()}
        expected.update({"no group": ungrouped} if ungrouped else {})
        assert {section: list(functions) for section, functions in sections.items()} == expected
        types = {number: line(lines, f"group {number} ").split()[2:] for number in groups}
        assert types == {number: [group["type"]] if group["type"] else [] for number, group in groups.items()}


def test_passthrough_is_near_the_top(tmp_path: Path) -> None:
    lines = report_lines(read("twin-gpus", tmp_path), "ws1")
    start = lines.index("  passthrough")
    assert start < 6
    assert lines[start + 1 : start + 10] == [
        "    0000:01:00.0  10de:2684",
        "                  can be passed through: no, because it is the boot display",
        "                  companion functions: 0000:01:00.1 audio",
        "                  needed first: make another GPU the primary display in the",
        "                  firmware setup",
        "    0000:41:00.0  10de:2684",
        "                  can be passed through: yes",
        "                  companion functions: 0000:41:00.1 audio",
        "  cores           8 cores, 16 CPUs; L3 32 MiB",
    ]


def test_a_host_without_a_gpu_says_so(tmp_path: Path) -> None:
    assert "  passthrough     no GPU" in report_lines(read("arm-without-pci", tmp_path), "ws1")


def test_virtual_and_removable_functions_are_marked(tmp_path: Path) -> None:
    lines = report_lines(read("virtual-functions", tmp_path), "ws1")
    assert groups_in(lines)["group 20"]["0000:00:02.1"].endswith("(i915, virtual function of 0000:00:02.0)")
    lines = report_lines(read("thunderbolt-gpu", tmp_path), "ws1")
    assert groups_in(lines)["group 33"]["0000:22:00.0"].endswith("(nouveau, removable)")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", names())
def test_no_line_is_wider_than_the_terminal(name: str, width: int, tmp_path: Path) -> None:
    reading = read(name, tmp_path)
    lines = report_lines(reading, name, width)
    assert max(map(len, lines)) <= width
    assert not [text for text in lines if text != text.rstrip()]
    # Nothing is lost; a word that is longer than a line continues on the next.
    assert "".join("".join(lines).split()) == "".join("".join(report_lines(reading, name, 100_000)).split())


def test_a_number_is_not_separated_from_its_unit(tmp_path: Path) -> None:
    reading = read("amd-desktop", tmp_path)
    for width in range(60, 100):
        lines = report_lines(reading, "ws1", width)
        assert not [text for text in lines if text.strip().startswith(("KiB", "MiB", "GiB"))]
        assert "\N{NO-BREAK SPACE}" not in "".join(lines)


def test_files_that_only_root_can_read_are_reported(tmp_path: Path) -> None:
    reading = read("amd-desktop", tmp_path)
    reading["unreadable"] = [{"path": "/boot/grub/grub.cfg", "error": "Permission denied", "values": ["boot.kernels"]}]
    last = line(report_lines(reading, "ws1"), "not readable")
    assert "/boot/grub/grub.cfg (boot.kernels)" in last
    assert "root" in last


@pytest.mark.parametrize("name", names())
def test_every_described_machine_can_be_printed(name: str, tmp_path: Path) -> None:
    lines = report_lines(read(name, tmp_path), name, width=1000)
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
