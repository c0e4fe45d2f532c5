# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in the README: queries answer what it says, and the summary is the one that is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.vfio.workstation.plugins.filter.report_lines import report_lines
from ansible_collections.vfio.workstation.plugins.filter.report_query import report_query
from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from tests.machines import build

README = Path(__file__).parents[3] / "README.md"
MACHINES = (
    "twin-gpus",
    "gpu-shares-group-with-disk",
    "svm-disabled-by-firmware",
    "iommu-off-in-firmware-intel",
    "kvm-guest",
)


@pytest.fixture(scope="module")
def queries() -> list[str]:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [yaml.safe_load(block)["report_query"] for block in blocks]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("machines")
    read = {name: to_json(probe(str(build(name, folder / name)))) for name in MACHINES}
    read["kvm-guest"]["host"]["boot"]["kernels"] = [
        {"version": "6.12.0-cloud", "entry": None, "cmdline": None, "initramfs": None, "has_vfio_pci": False}
    ]
    return read


def test_there_are_three(queries: list[str]) -> None:
    assert len(queries) == 3


def test_free_gpus_alone_in_their_group(queries: list[str], readings: dict[str, Any]) -> None:
    answer = {item["machine"]: item["free"] for item in report_query(readings, queries[0])}
    assert answer["twin-gpus"] == ["0000:41:00.0"]
    assert "gpu-shares-group-with-disk" not in answer
    assert "kvm-guest" not in answer


def test_firmware_to_visit(queries: list[str], readings: dict[str, Any]) -> None:
    answer = {item["machine"]: item for item in report_query(readings, queries[1])}
    assert set(answer) == {"svm-disabled-by-firmware", "iommu-off-in-firmware-intel"}
    assert "SVM Mode" in answer["svm-disabled-by-firmware"]["cpu"]
    assert "VT-d" in answer["iommu-off-in-firmware-intel"]["iommu"]


def test_kernels_without_vfio(queries: list[str], readings: dict[str, Any]) -> None:
    assert report_query(readings, queries[2]) == [{"machine": "kvm-guest", "kernels": ["6.12.0-cloud"]}]


def test_a_question_that_cannot_be_read_is_an_error_that_shows_it(readings: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"report_query: '\[\?name' is not a valid JMESPath expression"):
        report_query(readings, "[?name")


def test_what_is_no_reading_is_refused_by_name(readings: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match="the values of broken lack the key host"):
        report_query({**readings, "broken": {"msg": "unreachable"}}, "[].name")
    with pytest.raises(AnsibleFilterError, match="without the key host"):
        report_lines({"msg": "unreachable"}, "ws1")


def test_variables_are_those_of_the_role() -> None:
    options = yaml.safe_load((README.parent / "roles/report/meta/argument_specs.yml").read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in options["argument_specs"]["main"]["options"])
