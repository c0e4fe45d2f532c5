# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers for cloud-init, held against cloud-init itself: its schema, and its reader of media."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import LinuxInstall
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.cloud_init import cloud_init_files
from ansible_collections.vfio.workstation.tests.cloud_init import PROGRAM, unpack
from ansible_collections.vfio.workstation.tests.guests.install import LINUX, PASSWORD_HASH, PUBLIC_KEY

MINIMAL = LINUX._replace(password_hash=None, locale=None, keyboard=None, time_zone=None, packages=(), network=None)
REQUESTS = {"all": LINUX, "minimal": MINIMAL, "password": LINUX._replace(ssh_keys=())}

#: Reads a directory as cloud-init reads a medium, and prints what it got.
READ = """
import json, sys
from cloudinit import helpers
from cloudinit.sources import DataSourceNoCloud
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
source = DataSourceNoCloud.DataSourceNoCloud({"datasource": {"NoCloud": {"fs_label": None}}}, None, paths)
found = source._get_data()
print(json.dumps([found, source.metadata, source.userdata_raw.decode(), source._network_config]))
"""


def user_data(request: LinuxInstall) -> dict[str, Any]:
    text = dict(cloud_init_files(request))["user-data"]
    assert text.startswith("#cloud-config\n")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def run(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def verdict(text: str, directory: Path) -> str:
    """Return what `cloud-init schema` says of user data."""
    path = directory / "user-data"
    path.write_text(text)
    return run("-m", "cloudinit.cmd.main", "schema", "--config-file", str(path))


@pytest.fixture(scope="module", autouse=True)
def _program() -> None:
    unpack()


@pytest.mark.parametrize("name", REQUESTS)
def test_cloud_init_accepts_the_answers(name: str, tmp_path: Path) -> None:
    files = dict(cloud_init_files(REQUESTS[name]))
    assert "Valid cloud-config" in verdict(files["user-data"], tmp_path)


@pytest.mark.parametrize(("old", "new"), [('"hashed_passwd"', '"hashed_pasword"'), ("false", '"no way"')])
def test_cloud_init_rejects_a_misspelt_answer(old: str, new: str, tmp_path: Path) -> None:
    text = dict(cloud_init_files(LINUX))["user-data"]
    assert old in text
    assert "schema errors" in verdict(text.replace(old, new), tmp_path)


def test_cloud_init_knows_every_answer() -> None:
    # It ignores modules that it does not know.
    schema = json.loads((PROGRAM / "cloudinit/config/schemas/schema-cloud-config-v1.json").read_text())
    known = {name for part in schema["$defs"].values() for name in part.get("properties", {})}
    assert known.issuperset(user_data(LINUX))


def test_cloud_init_reads_the_files(tmp_path: Path) -> None:
    seed = tmp_path / "seed" / "nocloud"
    seed.mkdir(parents=True)
    files = dict(cloud_init_files(LINUX))
    for name, text in files.items():
        (seed / name).write_text(text)
    found, metadata, data, network = json.loads(run("-c", READ, str(tmp_path)).splitlines()[-1])
    assert found
    assert metadata["local-hostname"] == "linux"
    assert metadata["instance-id"] == json.loads(files["meta-data"])["instance-id"]
    assert data == files["user-data"]
    assert network == LINUX.network


def test_the_account_can_be_used_as_requested() -> None:
    with_both = user_data(LINUX)
    assert with_both["users"] == [
        {
            "name": "dev",
            "gecos": "dev",
            "shell": "/bin/bash",
            "lock_passwd": False,
            "hashed_passwd": PASSWORD_HASH,
            "ssh_authorized_keys": [PUBLIC_KEY],
            "sudo": "ALL=(ALL) ALL",
        }
    ]
    assert with_both["ssh_pwauth"] is False
    keys_alone = user_data(MINIMAL)
    assert keys_alone["users"][0]["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert keys_alone["users"][0]["lock_passwd"] is True
    password_alone = user_data(REQUESTS["password"])
    assert password_alone["ssh_pwauth"] is True
    assert "ssh_authorized_keys" not in password_alone["users"][0]


def test_the_guest_agent_is_installed_and_started() -> None:
    data = user_data(LINUX._replace(packages=("vim", "qemu-guest-agent")))
    assert data["packages"] == ["qemu-guest-agent", "vim"]
    assert ["systemctl", "enable", "--now", "qemu-guest-agent.service"] in data["runcmd"]


def test_changed_answers_are_those_of_another_instance() -> None:
    def instance(request: LinuxInstall) -> str:
        identifier: str = json.loads(dict(cloud_init_files(request))["meta-data"])["instance-id"]
        return identifier

    assert instance(LINUX) == instance(LINUX)
    assert instance(LINUX) != instance(LINUX._replace(packages=()))


def test_without_a_network_configuration_cloud_init_chooses() -> None:
    assert "network-config" not in dict(cloud_init_files(MINIMAL))
