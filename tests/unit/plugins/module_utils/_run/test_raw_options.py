# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that Ansible leaves alone: secrets among them are removed from all output nevertheless."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._run.raw_options import secrets

ROOT = Path(__file__).resolve().parents[5]
SECRET = "s3cret-of-a-vault"
SPEC: dict[str, Any] = {
    "name": {"type": "str"},
    "install": {
        "type": "dict",
        "options": {"user": {"type": "str"}, "password": {"type": "str", "no_log": True}},
    },
    "accounts": {"type": "list", "elements": "dict", "options": {"token": {"no_log": True}, "id": {}}},
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "x", "install": {"user": "dev", "password": SECRET}}, {SECRET}),
        ({"install": {"user": "dev", "pasword": SECRET}}, {SECRET}),
        ({"install": {"password": [SECRET, {"a": 12}]}}, {SECRET, "12"}),
        ({"accounts": [{"token": SECRET, "id": "1"}, {"token": "2"}, "x"]}, {SECRET, "2"}),
        ({"install": "no mapping", "accounts": None}, set()),
        ({"install": {"password": None}}, set()),
        ({"nam": "misspelt"}, set()),
    ],
)
def test_secrets_are_found(options: dict[str, Any], expected: set[str]) -> None:
    assert set(secrets(SPEC, options)) == expected


@pytest.mark.parametrize("install", [{"user": "dev", "password": SECRET}, {"user": "dev", "pasword": SECRET}])
def test_the_module_returns_no_secret(install: dict[str, str]) -> None:
    arguments = {
        "ANSIBLE_MODULE_ARGS": {"name": "g", "os": "windows11", "install": install, "_ansible_check_mode": True}
    }
    module = "ansible_collections.vfio.workstation.plugins.modules.guest"
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / ".cache/collections"), "PATH": "/usr/bin:/bin"},
    )
    result = json.loads(done.stdout)
    assert result["failed"]
    assert "install.iso" in result["msg"]
    assert SECRET not in done.stdout
    assert result["invocation"]["module_args"]["install"]["user"] == "dev"
