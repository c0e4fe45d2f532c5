# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that somebody set up by hand, each in another way: the report proposes variables that provision accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.containers.provisioned import Played, inside, play, unlike_before

GPU = "0000:01:00.0"
AMD_IDS = "1002:731f,1002:ab38"
GPU_ALONE = {"name": "gpu", "select": {"address": GPU}, "functions": "selected"}
_PROPOSED = re.compile(r"^# (\S+): proposed from .*\n((?:(?:#|-|  |workstation_).*\n)+)", re.MULTILINE)


class Way(NamedTuple):
    """What somebody did, where that is, and what is proposed for it."""

    arguments: str  # of the script by-hand-kind; empty where the machine was made like that
    places: list[str]
    proposed: dict[str, Any]


WAYS = {
    "office-1": Way(
        f"modprobe {GPU} {AMD_IDS}",
        ["/etc/modprobe.d/vfio.conf, line 2"],
        {"workstation_devices": [{"name": "gpu", "select": {"address": GPU}}]},
    ),
    "hybrid-laptop": Way(
        f"command-line {GPU} 10de:28e0",
        ["/etc/default/grub.d/passthrough.cfg, line 1"],
        {
            "workstation_devices": [{"name": "gpu", "select": {"address": GPU}}],
            "workstation_iommu": {"pass_through": True},
            "workstation_hugepages": [{"size": "1G", "count": 2}],
        },
    ),
    "office-2": Way(
        f"driverctl {GPU} {AMD_IDS}",
        [f"/etc/driverctl.d/pci-{GPU}"],
        {"workstation_devices": [GPU_ALONE]},
    ),
    "short-of-pages": Way(
        f"udev {GPU} {AMD_IDS}",
        ["/etc/udev/rules.d/99-passthrough.rules, line 1"],
        {"workstation_devices": [GPU_ALONE]},
    ),
    "intel-desktop": Way(
        f"libvirt {GPU} {AMD_IDS}",
        ["/etc/libvirt/qemu/windows.xml"],
        {"workstation_devices": [{"name": "gpu", "select": {"address": GPU}}]},
    ),
    "twin-gpus": Way(
        "",
        [
            "/etc/modprobe.d/passthrough.conf, line 2",
            "/etc/driverctl.d/pci-0000:41:00.0",
            "/etc/initramfs-tools/modules",
        ],
        {"workstation_devices": [{"name": "gpu", "select": {"address": "0000:41:00.0"}}]},
    ),
}
#: Requests of the scenario, which nobody makes here.
_NOTHING = {
    f"workstation_{name}": None
    for name in ("iommu", "devices", "hugepages", "cpu_isolation", "access", "kvm", "arguments")
}


@pytest.fixture(name="reported", scope="module")
def fixture_reported() -> Played:
    """The report, after somebody has set up the machines."""
    for name, way in WAYS.items():
        if way.arguments:
            inside(name).check_output(f"sh /srv/provision/by-hand-kind {way.arguments}")
    return play("report", report_hosts=":".join(WAYS), report_propose=True)


@pytest.fixture(name="proposed", scope="module")
def fixture_proposed(reported: Played) -> dict[str, str]:
    """What is proposed for each machine."""
    return {found.group(1): found.group(2) for found in _PROPOSED.finditer(reported.output)}


@pytest.mark.parametrize("name", WAYS)
def test_each_way_becomes_variables(proposed: dict[str, str], reported: Played, name: str) -> None:
    assert name in proposed, reported.output
    variables = yaml.safe_load(proposed[name])
    assert {key: variables.get(key) for key in WAYS[name].proposed} == WAYS[name].proposed
    assert [place for place in WAYS[name].places if place not in proposed[name]] == []


def test_provision_accepts_the_proposal(proposed: dict[str, str], tmp_path: Path) -> None:
    """In check mode, with the lines that can be set aside set aside."""
    hosts = {name: {**_NOTHING, **yaml.safe_load(text)} for name, text in proposed.items()}
    inventory = tmp_path / "proposed.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    options = {"workstation_hosts": ":".join(WAYS), "workstation_conflicts": "replace"}
    played = play("provision", "--check", "-i", str(inventory), **options)
    assert played.failures == {}, played.output
    assert played.printed("Report the state of each request")[-1] == f"{len(WAYS)} hosts: {len(WAYS)} pending"
    assert {name: unlike_before(name) for name in WAYS} == dict.fromkeys(WAYS, "")
