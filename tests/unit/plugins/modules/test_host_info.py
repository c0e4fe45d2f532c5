# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documented return values are the returned ones: keys, types, and each value at least once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import (
    IOMMU,
    KINDS,
    LAST_CHECK_FILE,
    BootCheck,
    Change,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot_records import render_check
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.module_utils._probe.captured import check_root
from ansible_collections.vfio.workstation.plugins.modules import host_info
from tests.machines import build, names

TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the readings of all described machines."""
    folder = tmp_path_factory.mktemp("machines")
    return {name: to_json(probe(str(build(name, folder / name)))) for name in names()}


def differences(documented: dict[str, Any], returned: Any, path: str, covered: set[str]) -> list[str]:
    """Return how a returned value differs from its documentation; add paths with a value to `covered`."""
    if returned is None:
        return []
    expected = TYPES[documented["type"]]
    if not isinstance(returned, expected) or (expected is int and isinstance(returned, bool)):
        return [f"{path}: documented as {documented['type']}, returned {returned!r}"]
    covered.add(path)
    if documented["type"] == "list":
        element = {"type": documented["elements"], "contains": documented.get("contains", {})}
        return [line for item in returned for line in differences(element, item, path + "[]", covered)]
    if documented["type"] != "dict":
        return []
    contains = documented["contains"]
    if all(key.isupper() for key in contains):  # a placeholder for many keys: GROUP, ADDRESS
        ((placeholder, inner),) = contains.items()
        return [
            line for item in returned.values() for line in differences(inner, item, f"{path}.{placeholder}", covered)
        ]
    lines = [f"{path}.{key}: returned and not documented" for key in returned.keys() - contains.keys()]
    lines += [f"{path}.{key}: documented and not returned" for key in contains.keys() - returned.keys()]
    for key in contains.keys() & returned.keys():
        lines += differences(contains[key], returned[key], f"{path}.{key}", covered)
    return lines


def documented_paths(documented: dict[str, Any], path: str) -> set[str]:
    inner = documented.get("contains", {})
    below = path + "[]" if documented["type"] == "list" else path
    return {path} | {
        below_path for key, value in inner.items() for below_path in documented_paths(value, f"{below}.{key}")
    }


def test_documentation_is_the_contract(readings: dict[str, Any]) -> None:
    documented = {key: value for key, value in yaml.safe_load(host_info.RETURN).items() if key != "last_check"}
    covered: set[str] = set()
    wrong = {
        name: lines
        for name, reading in readings.items()
        if (lines := [line for key in documented for line in differences(documented[key], reading[key], key, covered)])
    }
    assert wrong == {}
    uncovered = {path for key, value in documented.items() for path in documented_paths(value, key)} - covered
    # Files that are denied to a user are tested as a user, in tests/replay/test_described_machines.py.
    assert {path for path in uncovered if not path.startswith("unreadable")} == set()


def test_the_last_check_is_documented() -> None:
    changes = tuple(Change(kind, "text") for kind in KINDS)
    check = BootCheck("2026-11-29T07:30:12Z", "0e5b", "active", True, "", changes, "2026-11-28T07:30:12Z")
    documented = yaml.safe_load(host_info.RETURN)["last_check"]
    covered: set[str] = set()
    assert differences(documented, to_json(check), "last_check", covered) == []
    assert documented_paths(documented, "last_check") - covered == set()
    described = " ".join(documented["contains"]["changes"]["contains"]["kind"]["description"])
    assert set(re.findall(r"V\((\w+)\)", described)) == set(KINDS)


def test_samples_fit_their_types() -> None:
    def check(documented: dict[str, Any], path: str) -> list[str]:
        sample = documented.get("sample")
        wrong = [path] if "sample" in documented and not isinstance(sample, TYPES[documented["type"]]) else []
        return wrong + [
            line for key, value in documented.get("contains", {}).items() for line in check(value, f"{path}.{key}")
        ]

    documented = yaml.safe_load(host_info.RETURN)
    assert [line for key, value in documented.items() for line in check(value, key)] == []


def run_module(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the module with Ansible on this machine."""
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-c", "local", "-m", "vfio.workstation.host_info"]
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    # "localhost | SUCCESS => {" follows any messages of Ansible's own.
    return done.returncode, json.loads(done.stdout[done.stdout.index("=> {") + 3 :])


def test_a_real_run_changes_nothing_and_returns_the_contract(tmp_path: Path) -> None:
    root = build("twin-gpus", tmp_path / "twins")
    status, result = run_module("-a", f"root={root}")
    assert status == 0
    assert result["changed"] is False
    expected = to_json(probe(str(root)))
    assert {key: result[key] for key in expected} == json.loads(json.dumps(expected))
    assert result["last_check"] is None


def test_a_real_run_returns_the_last_check(tmp_path: Path) -> None:
    root = build("twin-gpus", tmp_path / "twins")
    check = BootCheck("2026-11-29T07:30:12Z", None, "staged", False, "a reason", (Change(IOMMU, "off"),), None)
    path = Path(f"{root}{LAST_CHECK_FILE}")
    path.parent.mkdir(parents=True)
    path.write_text(render_check(check), "utf-8")
    assert run_module("-a", f"root={root}")[1]["last_check"] == to_json(check)


def test_check_mode_reads_too() -> None:
    status, result = run_module("--check")
    assert status == 0
    assert result["host"]["cpus"]["online"]


def test_a_missing_root_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    status, result = run_module("-a", f"root={tmp_path / 'nowhere'}")
    assert status != 0
    assert str(tmp_path / "nowhere") in result["msg"]
    assert "exception" not in result


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.with_suffix(".other").touch(), "does not exist"),
        (lambda path: path.write_text("archive"), "Unpack an archive first"),
        (lambda path: path.mkdir(), "neither sys/ nor proc/"),
    ],
)
def test_roots_that_cannot_be_read(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "root")
    (message,) = check_root(str(tmp_path / "root"))
    assert message.startswith(f"root: {tmp_path / 'root'} ")
    assert words in message


def test_a_root_needs_only_one_of_the_folders(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    assert check_root(str(tmp_path)) == []
