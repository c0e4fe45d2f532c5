# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options the command on a host is asked about, and which answers count."""

from __future__ import annotations

import base64
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._local.archive import Archive
from ansible_collections.vfio.workstation.plugins.plugin_utils._host_command import answer, question

CODE = {source.name: source.checksum for source in Archive().sources}
VALUES: dict[str, Any] = {"steps": [], "refusals": [], "unreadable": [], "changed": False, "states": {}}
OPTIONS: dict[str, Any] = {"iommu": {}}


def document(code: Any = None, warnings: Any = (), **values: Any) -> str:
    return json.dumps({"code": CODE if code is None else code, "warnings": warnings, "values": {**VALUES, **values}})


def test_the_question_has_the_options() -> None:
    words = shlex.split(question({"iommu": {}, "root": "/"}) or "")
    assert words[:3] == ["/usr/local/bin/vfio-workstation", "inspect", "--request"]
    assert json.loads(base64.b64decode(words[3])) == {"iommu": {}, "root": "/"}


@pytest.mark.parametrize("options", [{"root": "/srv/tree"}, {"devices": ["x" * 200_000]}, {"iommu": b"\xff"}])
def test_no_question(options: dict[str, Any]) -> None:
    assert question(options) is None


def test_an_answer_is_the_result_of_the_module() -> None:
    expected = {**VALUES, "invocation": {"module_args": OPTIONS}}
    assert answer(0, document(), OPTIONS) == expected
    assert answer(0, f"We trust you have received the usual lecture\r\n{document()}\r\n", OPTIONS) == expected
    assert answer(0, document(warnings=["inspected"]), OPTIONS) == {**expected, "warnings": ["inspected"]}


STEP = [{"kind": "WriteFile"}]


@pytest.mark.parametrize(
    ("status", "output"),
    [
        pytest.param(127, document(), id="status"),
        pytest.param(0, "", id="nothing"),
        pytest.param(0, "bash: not found", id="text"),
        pytest.param(0, "[]", id="list"),
        pytest.param(0, '{"values": 1, "code": 1, "warnings": 1}', id="types"),
        pytest.param(0, document(steps=STEP), id="something is due"),
        pytest.param(0, document(refusals=[{"code": "iommu_absent"}]), id="refused"),
        pytest.param(0, document(unreadable=[{"path": "/etc/it"}]), id="without root"),
        pytest.param(0, document(code={}), id="no code"),
        pytest.param(0, document(code=["_local/inspection.py"]), id="code is a list"),
        pytest.param(0, document(code={**CODE, "_plan/iommu.py": 1}), id="other code"),
        pytest.param(0, document(code={**CODE, "_plan/gone.py": 1}), id="a file too many"),
        pytest.param(0, document(code={"_plan/iommu.py": CODE["_plan/iommu.py"]}), id="without what answers"),
    ],
)
def test_no_answer(status: int, output: str) -> None:
    assert answer(status, output, OPTIONS) is None


@given(st.text())
def test_any_output_is_read(output: str) -> None:
    assert answer(0, output, OPTIONS) is None
