# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With report_dir, the playbooks write the data and the page of each machine, and the page of the fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.machines import build

from .conftest import Fleet
from .test_provision import IN_USE, REBOOTS

PROVISION, VERIFY, REPORT = "vfio.workstation.provision", "vfio.workstation.verify", "vfio.workstation.report"
ACTIVE = {"files": True, "running": True}
HOSTILE = "../../<img src=x>"


@pytest.fixture(name="directory")
def fixture_directory(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def data(directory: Path, stem: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / f"{stem}.json").read_text(encoding="utf-8"))
    return document


def files(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_a_fleet_from_bare_to_active(fleet: Fleet, directory: Path, tmp_path: Path) -> None:
    root = str(build("twin-gpus", tmp_path / "captured"))
    fleet.add("ws1")
    fleet.add("ws2", refusals=[IN_USE])
    fleet.add("ws3", unreachable=True)
    for name in ("ws1", "ws2", "ws3"):
        fleet.set(name, report_dir="reports", report_root=root)
    run = fleet.run(PROVISION, environment={"PWD": str(tmp_path)}, **REBOOTS)
    assert run.status != 0
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 0, "ws2": 1, "ws3": 1}
    pages = [f"machines/ws{number}.html" for number in (1, 2, 3)]
    assert files(directory) == ["index.html", *pages, "ws1.json", "ws2.json", "ws3.json"]
    words = {name: data(directory, name)["summary"]["word"] for name in ("ws1", "ws2", "ws3")}
    assert words == {"ws1": "active", "ws2": "refused", "ws3": "unreachable"}
    assert data(directory, "ws1")["host"]["cpu"]["model"]
    assert data(directory, "ws3")["host"] is None  # nobody could read it
    page = (directory / "index.html").read_text(encoding="utf-8")
    assert "1 machine: Move it to a device that stays with the host" in page

    fleet.change("ws1", running=False)
    last = fleet.run(VERIFY, "--limit", "ws1", environment={"PWD": str(tmp_path)})
    assert last.status != 0
    page = (directory / "index.html").read_text(encoding="utf-8")
    assert "1 machine: state: active before, staged now" in page
    assert page.count("<tr data-s=") == 3  # the others stay
    assert "</svg>" in (directory / "machines" / "ws1.html").read_text(encoding="utf-8")


def test_check_mode_writes_nothing(fleet: Fleet, directory: Path) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(PROVISION, "--check", report_dir=str(directory))
    assert run.status == 0, run.output
    assert "Write the page of the fleet" in run.output
    assert not directory.exists()


def test_names_lead_nowhere_and_are_text(fleet: Fleet, directory: Path, tmp_path: Path) -> None:
    fleet.add("ws1", {})
    machine = {"stand_in_machine": fleet.folder("ws1"), "ansible_connection": "machine", "report_dir": str(directory)}
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="ascii")
    inventory = tmp_path / "hostile.json"
    hosts = {HOSTILE: machine, "ws2": {**machine, "report_dir": str(taken)}}
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    run = fleet.run_as_is(REPORT, "--inventory", str(inventory), environment={})
    assert run.status != 0
    assert f"{taken}: " in run.output  # a directory that can't be written
    assert "Traceback" not in run.output
    stem = "~2e.~2f..~2f~3cimg~20src~3dx~3e"
    assert files(directory) == ["index.html", f"machines/{stem}.html", f"{stem}.json"]
    assert data(directory, stem)["name"] == HOSTILE
    for page in ("index.html", f"machines/{stem}.html"):
        text = (directory / page).read_text(encoding="utf-8")
        assert "&lt;img src=x&gt;" in text
        assert "<img" not in text
