# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""status, verify and report on described machines, with and without requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local.main import main
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import (
    REQUEST_FILE,
    render_requests,
    update_requests,
)
from tests.machines import build


@pytest.fixture(name="root")
def desktop(tmp_path: Path) -> str:
    return str(build("amd-desktop", tmp_path / "desk"))


def request(root: str, **options: Any) -> None:
    desired = parse_desired(options)
    assert not isinstance(desired, list), desired
    record(root, render_requests(update_requests({}, options, desired)))


def record(root: str, text: str) -> None:
    path = Path(root + REQUEST_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_without_requests_it_says_so(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--root", root]) == 0
    assert main(["verify", "--root", root]) == 2
    assert capsys.readouterr().out == "desk: no configuration requested\n" * 2


def test_the_table_is_that_of_the_playbooks(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    request(root, access={"group": "kvm"})
    assert main(["status", "--root", root]) == 0
    first, titles, row = capsys.readouterr().out.splitlines()[:3]
    assert first.startswith("desk: changes pending")
    assert titles.split() == ["requested", "configured", "staged", "active", "now"]
    assert row.split()[:2] == ["access:", "group"]


def test_verify_says_whether_it_is_active(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    request(root, kvm={"nested": True})
    assert main(["verify", "--root", root]) == 1
    assert capsys.readouterr().out == "desk: changes pending\n"


def test_a_refusal_is_not_active(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    request(root, devices=[{"name": "gone", "select": {"vendor": "ffff"}}])
    assert main(["verify", "--root", root]) == 1
    assert "[device_not_found]" in capsys.readouterr().out
    assert main(["status", "--root", root]) == 0
    assert "device_not_found" in capsys.readouterr().out


def test_json_has_what_the_module_returns(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    request(root, kvm={"nested": True})
    assert main(["status", "--json", "--root", root]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "pending"
    assert [row["section"] for row in document["requests"]] == ["kvm"]
    assert document["steps"]
    assert main(["report", "--json", "--root", root]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"host", "unreadable"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "it is not JSON"),
        ('{"format": 9}', 'it has no "format": 1'),
        (
            '{"format": 1, "sections": {"kvm": {"request": {"nestd": 1}, "accept": [], "conflicts": "refuse"}}}',
            "Did you mean nested?",
        ),
    ],
)
def test_a_damaged_record_is_an_error(root: str, text: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    record(root, text)
    for command in ("status", "verify"):
        assert main([command, "--root", root]) == 3
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"vfio-workstation: {REQUEST_FILE}")
        assert reason in printed.err
        assert "Remove the file, and run the playbook provision" in printed.err


def test_the_report_is_that_of_the_playbook(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--root", root]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("desk: debian")
    assert any(line.startswith("  passthrough") for line in lines)


def test_a_root_that_is_none_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "verify", "report"):
        assert main([command, "--root", str(tmp_path / "nowhere")]) == 3
        assert "does not exist" in capsys.readouterr().err
