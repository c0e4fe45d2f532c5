# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims as lines of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._text.claims import claim_texts
from ansible_collections.vfio.workstation.plugins.plugin_utils._report import report_lines
from tests.machines import build


def claim(**changes: Any) -> dict[str, Any]:
    made = {
        "kind": "cmdline",
        "path": "/proc/cmdline",
        "line": 1,
        "text": "vfio-pci.ids=10de:2684",
        "origin": None,
        "driver": "vfio-pci",
        "effect": "takes",
        "addresses": ["0000:01:00.0"],
        "applies_to": ["running"],
        "managed": False,
    }
    return {**made, **changes}


def texts(*claims: dict[str, Any]) -> list[str]:
    return claim_texts(
        {"pci": {"0000:01:00.0": {"claims": list(claims)}, "0000:02:00.0": {"claims": []}}, "claims": []}
    )


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({}, "binds 0000:01:00.0 to vfio-pci"),
        ({"addresses": []}, "binds no present function to vfio-pci"),
        ({"addresses": [f"0000:0{number}:00.0" for number in range(6)]}, "0000:03:00.0 and 2 more to vfio-pci"),
        ({"effect": "withholds", "driver": None}, "keeps the host's driver from 0000:01:00.0"),
        ({"effect": "orders"}, "loads vfio-pci early"),
        ({"effect": "recognised"}, "may bind 0000:01:00.0 to vfio-pci"),
        ({"effect": "recognised", "driver": None, "addresses": []}, "may bind functions to another driver"),
        ({"effect": "noted", "driver": None}, "noted"),
    ],
)
def test_effects(changes: dict[str, Any], effect: str) -> None:
    (text,) = texts(claim(**changes))
    assert text.endswith(f"{effect}: vfio-pci.ids=10de:2684, in /proc/cmdline, line 1 (running)")


def test_the_same_text_in_several_places_is_one_line() -> None:
    source = claim(path="/etc/default/grub", line=3, origin="GRUB_CMDLINE_LINUX", applies_to=["new entries"])
    entry = claim(path="/efi/a.efi", line=None, applies_to=[])
    mine = claim(path="/etc/kernel/cmdline", managed=True)
    places = "/proc/cmdline, line 1 (running); /etc/default/grub, line 3, GRUB_CMDLINE_LINUX (new entries); "
    binds = "binds 0000:01:00.0 to vfio-pci: vfio-pci.ids=10de:2684"
    assert texts(claim(), source, entry, mine) == [
        f"{binds}, in {places}/efi/a.efi (nothing reads it)",
        f"{binds}, managed by this collection, in /etc/kernel/cmdline, line 1 (running)",
    ]
    many = texts(*(claim(line=number) for number in range(1, 10)))
    assert many[0].endswith("line 6 (running); and 3 more places")


def test_the_report_has_each_claim_once(tmp_path: Path) -> None:
    reading = to_json(probe(str(build("hand-made-passthrough", tmp_path))))
    found = [line for line in report_lines(reading, "ws1", width=1000) if line.startswith("  claim ")]
    assert len(found) == len(set(found)) == 16
    effect = "binds 0000:01:00.0, 0000:41:00.0 to vfio-pci: options vfio-pci ids=10de:2684 disable_vga=1"
    assert f"  claim           {effect}, in /etc/modprobe.d/vfio.conf, line 2 (each boot, new images)" in found


def test_a_host_without_claims_has_no_such_line(tmp_path: Path) -> None:
    reading = to_json(probe(str(build("amd-desktop", tmp_path))))
    assert not [line for line in report_lines(reading, "ws1") if "claim" in line]
