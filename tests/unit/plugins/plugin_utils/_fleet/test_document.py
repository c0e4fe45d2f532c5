# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON file of a host: what a run changes in it, and what is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import BootCheck, Change
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    Inspection,
    is_same,
    machine_of,
    parse_document,
    parse_record,
    rendered,
    updated,
)
from tests.machines import build

Json = dict[str, Any]
FIRST, SECOND = "2026-11-28T07:00:00Z", "2026-11-29T07:00:00Z"
YES = {"configured": True, "staged": True, "active": True}
ACTIVE: Json = {
    "states": YES,
    "requests": [{"section": "devices", "name": "gpu", "requested": "on vfio-pci", "now": "vfio-pci", **YES}],
    "steps": [],
    "refusals": [],
}
REFUSED: Json = {
    **ACTIVE,
    "failed": True,
    "refusals": [
        {"code": "iommu_absent", "seen": "no IOMMU", "danger": "d", "remedy": "Buy a board."},
        {"code": "device_not_found", "seen": "x", "danger": "d", "remedy": "r", "because": "iommu_absent"},
    ],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@pytest.fixture(name="reading", scope="module")
def fixture_reading(tmp_path_factory: pytest.TempPathFactory) -> Json:
    reading: Json = to_json(probe(build("twin-gpus", tmp_path_factory.mktemp("machine") / "root")))
    return reading


def test_a_first_report(reading: Json) -> None:
    document = updated(None, Inspection("ws1", FIRST, reading))
    assert document["host"] == reading["host"]  # as earlier versions wrote it
    assert document["unreadable"] == reading["unreadable"]
    record = parse_record(document)
    assert (record.name, record.read_at, record.checked_at, record.changes) == ("ws1", FIRST, None, None)
    assert record.summary.word == "reported"
    assert len(record.summary.gpus) == 2
    assert [gpu.free for gpu in record.summary.gpus] == [False, True]
    assert machine_of(document) is not None


def test_a_document_is_the_same_after_writing_and_reading(reading: Json) -> None:
    document = updated(None, Inspection("ws1", FIRST, reading, ACTIVE))
    assert parse_document(rendered(document), "ws1") == json.loads(rendered(document))
    assert parse_document(rendered(document), "ws2") is None


def test_the_same_again_is_no_change(reading: Json) -> None:
    before = updated(None, Inspection("ws1", FIRST, reading, ACTIVE))
    after = updated(before, Inspection("ws1", SECOND, reading, ACTIVE))
    assert is_same(before, after)
    assert parse_record(after).time == SECOND
    assert parse_record(after).new_changes == ()


def test_what_a_run_does_not_inspect_stays(reading: Json) -> None:
    before = updated(None, Inspection("ws1", FIRST, reading, ACTIVE))
    lost = updated(before, Inspection("ws1", SECOND, None, {"unreachable": True, "msg": "no route"}))
    record = parse_record(lost)
    assert record.read_at == FIRST
    assert record.summary.word == "unreachable"
    assert lost["result"] == before["result"] != {}
    assert record.summary.gpus == parse_record(before).summary.gpus
    assert [request.title for request in record.summary.requests] == ["devices gpu"]
    assert record.summary.problems[0].codes == ("unreachable",)
    assert "no route" in record.summary.problems[0].seen
    again = updated(lost, Inspection("ws1", SECOND, reading))
    assert parse_record(again).summary.word == "unreachable"  # a report checks no request


def test_changes_of_hardware_and_of_states(reading: Json) -> None:
    before = updated(None, Inspection("ws1", FIRST, reading, ACTIVE))
    host = json.loads(json.dumps(reading["host"]))
    host["boot"]["running"]["version"] = "9.9"
    inactive = {**ACTIVE, "states": {**YES, "active": False}, "reboot_required": True}
    inactive["requests"] = [{**ACTIVE["requests"][0], "active": False}]
    after = updated(before, Inspection("ws1", SECOND, {**reading, "host": host}, inactive))
    changes = parse_record(after).changes
    assert changes is not None
    assert (changes.since, changes.found_at) == (FIRST, SECOND)
    version = reading["host"]["boot"]["running"]["version"]
    assert changes.texts == (
        f"kernel: {version} before, 9.9 now",
        "state: active before, staged now",
        "devices gpu: active before, not active now",
    )
    third = updated(after, Inspection("ws1", "2026-11-30T07:00:00Z", {**reading, "host": host}, inactive))
    assert parse_record(third).changes == changes
    assert parse_record(third).new_changes == ()


def test_refusals_have_their_causes_once(reading: Json) -> None:
    record = parse_record(updated(None, Inspection("ws1", FIRST, reading, REFUSED)))
    (problem,) = record.summary.problems
    assert problem.codes == ("iommu_absent", "device_not_found")
    assert problem.remedy == "Buy a board."


def test_what_the_host_found_at_its_boot_is_kept(reading: Json) -> None:
    check = BootCheck(FIRST, "id", "active", True, "", (Change("kernel", "kernel: 1 before, 2 now"),), None)
    before = updated(None, Inspection("ws1", FIRST, reading, boot_check=check))
    after = updated(before, Inspection("ws1", SECOND, reading))
    assert parse_record(after).boot_check == check


@given(JSON)
def test_no_answer_of_a_host_raises(value: Any) -> None:
    for reading in (value, {"host": value, "unreadable": value}):
        if isinstance(reading, dict):
            document = updated(None, Inspection("ws1", FIRST, reading))
            assert parse_document(rendered(document), "ws1") is not None


@given(st.dictionaries(st.sampled_from([*REFUSED, "guests", "findings", "msg", "notes", "cpus", "devices"]), JSON))
def test_no_result_raises(result: Json) -> None:
    document = updated(None, Inspection("ws1", FIRST, None, result))
    assert parse_document(rendered(document), "ws1") is not None


def test_a_result_that_is_none_is_a_failure() -> None:
    result = {"refusals": 5, "states": YES}
    record = parse_record(updated(None, Inspection("ws1", FIRST, None, result)))
    assert record.summary.word == "failed"
    assert "no usable result" in record.summary.problems[0].seen


@given(st.text() | JSON.map(json.dumps))
def test_foreign_files_are_none(text: str) -> None:
    assert parse_document(text) is None


def test_a_deeply_nested_file_is_none() -> None:
    assert parse_document("[" * 100_000) is None


def test_a_machine_of_another_version_is_unknown(reading: Json) -> None:
    host = {key: value for key, value in reading["host"].items() if key != "keyboards"}
    document = updated(None, Inspection("ws1", FIRST, {**reading, "host": host}))
    assert machine_of(document) is None
    assert parse_record(document).summary.kernel == ""


def test_damage_of_a_value_deep_inside_is_seen(reading: Json, tmp_path: Path) -> None:
    host = json.loads(json.dumps(reading["host"]))
    host["cpus"]["cores"][0]["cpus"] = "0-3"
    path = tmp_path / "ws1.json"
    path.write_text(rendered(updated(None, Inspection("ws1", FIRST, {**reading, "host": host}))), encoding="utf-8")
    document = parse_document(path.read_text(encoding="utf-8"))
    assert document is not None
    assert machine_of(document) is None
