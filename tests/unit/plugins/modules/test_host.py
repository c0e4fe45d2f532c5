# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module host without its action plugin: options reach the parser as they were written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.machines import build

MODULE = "ansible_collections.vfio.workstation.plugins.modules.host"
GPU = [{"name": "gpu", "select": "0000:01:00.0"}]


def run_module(options: dict[str, Any], *, check: bool = True) -> dict[str, Any]:
    """Run the module as Ansible runs it on a managed host, with options on its standard input."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check}}
    command = [sys.executable, "-m", MODULE]
    done = subprocess.run(
        command,
        input=json.dumps(arguments),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build("intel-desktop", tmp_path_factory.mktemp("machines") / "intel-desktop"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # YAML reads 0x1f86 as a number, which Ansible would turn into the text "8070".
        ("devices: [{name: gpu, select: {vendor: 0x1f86}}]", "devices[0].select.vendor: found 8070, expected four"),
        ("device: []", "device: found [], expected one of the keys iommu,"),
        ("root: /nowhere", "root: /nowhere does not exist on this machine."),
    ],
)
def test_the_only_message_is_the_parsers(options: str, message: str) -> None:
    result = run_module({"root": "/", **yaml.safe_load(options)})
    assert result["failed"] is True
    assert result["msg"].startswith(message)
    assert "\n" not in result["msg"]
    assert "exception" not in result


def test_all_mistakes_come_at_once(root: str) -> None:
    result = run_module({"devices": 5, "state": "gone", "sectoins": [], "root": root}, check=False)
    assert [line.partition(":")[0] for line in result["msg"].splitlines()] == ["sectoins", "devices", "state", "root"]


def test_an_address_may_stand_for_a_selection(root: str) -> None:
    result = run_module({"devices": GPU, "accept": "device_in_use, device_is_boot_display", "root": root})
    # A described machine has no files of a boot loader.
    assert {refusal["code"] for refusal in result["refusals"]} == {"bootloader_unsupported", "initramfs_unsupported"}
    assert [device["role"] for device in result["devices"]] == ["selected", "same slot"]
    assert result["invocation"]["module_args"]["devices"] == GPU
    assert result["invocation"]["module_args"]["conflicts"] == "refuse"


def test_a_root_is_expanded_as_ansible_expands_paths(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(root).parent))
    assert "states" in run_module({"root": "~/intel-desktop"})
    assert "states" in run_module({"root": "$HOME/intel-desktop"})
