# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""inspect on a described machine: what it answers, and what it refuses to understand."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local.archive import Archive
from ansible_collections.vfio.workstation.plugins.module_utils._local.main import main
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import COMMAND_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import REQUEST_FILE
from tests.machines import build


@pytest.fixture(name="root", scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build("amd-desktop", tmp_path_factory.mktemp("machine") / "desk"))


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def answer(root: str, capsys: pytest.CaptureFixture[str], options: dict[str, Any]) -> dict[str, Any]:
    assert main(["inspect", "--request", encoded(options), "--root", root]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def test_what_is_due_and_then_nothing(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = answer(root, capsys, {"iommu": {}})
    assert before["values"]["changed"] is True
    assert {step["path"] for step in before["values"]["steps"]} >= {REQUEST_FILE, COMMAND_FILE}
    assert before["code"] == {source.name: source.checksum for source in Archive().sources}

    diffs = {diff["after_header"]: diff["after"] for diff in before["values"]["diff"]}
    for path, content in {**diffs, COMMAND_FILE: Archive(sys.executable).content()}.items():
        file = Path(root + path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    Path(root + COMMAND_FILE).chmod(0o755)
    after = answer(root, capsys, {"iommu": {}})["values"]
    assert (after["changed"], after["steps"], after["tools"], after["diff"]) == (False, [], [], [])
    assert after["states"] == {"configured": True, "staged": True, "active": True}
    assert [row["section"] for row in after["requests"]] == ["iommu"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "--request: expected the options of the module host as JSON in base64."),
        (base64.b64encode(b"{").decode(), "--request: expected the options of the module host as JSON in base64."),
        (encoded([1]), "--request: found list, expected the options of the module host."),
        (encoded({"iommu": 1}), "iommu: found 1, expected a mapping"),
    ],
)
def test_mistakes(text: str, message: str, root: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--request", text, "--root", root]) == 3
    assert message in capsys.readouterr().err
