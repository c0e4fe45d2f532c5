# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-made set-ups of several kinds, read from described machines, and the variables that say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._proposal import proposal
from ansible_collections.vfio.workstation.tests.machines import build_described, load_but

GPU, AUDIO, DISPLAY = "0000:41:00.0", "0000:41:00.1", "0000:01:00.0"
CMDLINE = "BOOT_IMAGE=/boot/vmlinuz-6.12.43+deb13-amd64 root=UUID=5e0f ro quiet"
RULE = f'ACTION=="add", KERNEL=="{GPU}", ATTR{{driver_override}}="vfio-pci"\n'
DOMAIN = """\
<domain type='kvm'><name>win</name><devices><hostdev mode='subsystem' type='pci' managed='yes'><source>
<address domain='0x0000' bus='0x41' slot='0x00' function='0x0'/></source></hostdev></devices></domain>
"""
GPU_ALONE = {"name": "gpu", "select": {"address": GPU}, "functions": "selected"}
#: What somebody has done, what is proposed for it, and words of the comments.
SET_UPS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "modprobe.d": (
        {"files": {"/etc/modprobe.d/vfio.conf": "# a guide\noptions vfio-pci ids=10de:2684,10de:22ba\n"}},
        {"workstation_devices": [{"name": "gpu", "select": {"address": GPU}}]},
        [
            f"# Left to the host: {DISPLAY}, the boot display",
            f"# Left to the host: 0000:01:00.1, in the slot of {DISPLAY}, the boot display",
            "/etc/modprobe.d/vfio.conf, line 2",
        ],
    ),
    "kernel command line": (
        {
            "kernel": {
                "cmdline": f"{CMDLINE} intel_iommu=on iommu=pt default_hugepagesz=1G hugepagesz=1G hugepages=16 "
                "isolcpus=domain,managed_irq,4-5 vfio-pci.ids=10de:2684"
            }
        },
        {
            "workstation_devices": [GPU_ALONE],
            "workstation_iommu": {"pass_through": True},
            "workstation_hugepages": [{"size": "1G", "count": 16}],
            "workstation_cpu_isolation": {"cpus": "4,5", "mode": "boot"},
        },
        [],
    ),
    "driverctl": (
        {"files": {f"/etc/driverctl.d/{GPU}": "vfio-pci\n"}},
        {"workstation_devices": [GPU_ALONE]},
        [f"/etc/driverctl.d/{GPU}"],
    ),
    "udev rule": (
        {"files": {"/etc/udev/rules.d/99-vfio.rules": RULE}},
        {"workstation_devices": [GPU_ALONE]},
        ["/etc/udev/rules.d/99-vfio.rules, line 1"],
    ),
    "libvirt": (
        {"files": {"/etc/libvirt/qemu/win.xml": DOMAIN}},
        {"workstation_devices": [GPU_ALONE]},
        ["/etc/libvirt/qemu/win.xml"],
    ),
}


def read(folder: Path, but: dict[str, Any]) -> dict[str, Any]:
    root = build_described(load_but("twin-gpus", but), folder / "machine")
    reading: dict[str, Any] = to_json(probe(root))
    return reading


@pytest.mark.parametrize("kind", SET_UPS)
def test_a_hand_made_set_up_becomes_variables(tmp_path: Path, kind: str) -> None:
    but, expected, comments = SET_UPS[kind]
    lines = proposal(read(tmp_path, but), "ws1")
    variables = yaml.safe_load("\n".join(lines))
    assert variables == expected
    for words in comments:
        assert any(words in line for line in lines if line.startswith("#")), lines
    # What is proposed is a request that the product accepts.
    parsed = parse_desired({name.removeprefix("workstation_"): value for name, value in variables.items()})
    assert isinstance(parsed, Desired), parsed


def test_where_nothing_was_done_nothing_is_proposed(tmp_path: Path) -> None:
    lines = proposal(read(tmp_path, {}), "ws1")
    assert lines == ["# ws1: nothing is configured by hand that a variable could request."]


@pytest.mark.parametrize(
    ("arguments", "pages"),
    [
        ("hugepages=512", [{"size": "2M", "count": 512}]),
        ("hugepagesz=1G hugepages=0:4,1:4", [{"size": "1G", "count": 8, "nodes": [0, 1]}]),
        (
            "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=64",
            [{"size": "1G", "count": 2}, {"size": "2M", "count": 64}],
        ),
        ("hugepagesz=1G hugepages=many", None),
    ],
)
def test_huge_pages_of_a_command_line(tmp_path: Path, arguments: str, pages: list[dict[str, Any]] | None) -> None:
    reading = read(tmp_path, {"kernel": {"cmdline": f"{CMDLINE} {arguments}"}})
    variables = yaml.safe_load("\n".join(proposal(reading, "ws1"))) or {}
    assert variables.get("workstation_hugepages") == pages
