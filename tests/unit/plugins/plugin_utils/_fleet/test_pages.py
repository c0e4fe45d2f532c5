# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages: what they say, and that everything from a host is text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.document import (
    Inspection,
    parse_record,
    rendered,
    updated,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.file_names import file_stem
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.fleet_page import (
    fleet_page,
    read_records,
    without_times,
)
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.machine_page import machine_page
from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.render import printable
from ansible_collections.vfio.workstation.tests.unit.plugins.plugin_utils._parity.documents import (
    document as measured,
)
from tests.machines import build

Json = dict[str, Any]
TIME = "2026-11-29T07:00:00Z"
YES = {"configured": True, "staged": True, "active": True}
#: Elements without an end tag.
VOID = {"meta", "input", "rect", "path"}
HOSTILE = st.text(alphabet="<>&\"'/=\0\r\n\N{RIGHT-TO-LEFT OVERRIDE}{}%#-!ascript ", min_size=1, max_size=30)
MARKUP = "</script></style></title><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"


class Structure(HTMLParser):
    """The elements and the attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _value in attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _value in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(name="reading", scope="module")
def fixture_reading(tmp_path_factory: pytest.TempPathFactory) -> Json:
    reading: Json = to_json(probe(build("twin-gpus", tmp_path_factory.mktemp("machine") / "root")))
    return reading


def request(name: str = "gpu", text: str = "on vfio-pci", active: bool = True) -> Json:
    return {"section": "devices", "name": name, "requested": text, "now": text, **YES, "active": active}


def refused(code: str, remedy: str, seen: str = "seen") -> Json:
    refusal = {"code": code, "seen": seen, "danger": "It is dangerous.", "remedy": remedy}
    return {"states": YES, "requests": [], "steps": [], "refusals": [refusal]}


def with_text(reading: Json, text: str, name: str) -> Json:
    """Return the document of a host with a text wherever a host can have one."""
    host = json.loads(json.dumps(reading["host"]))
    host["cpu"].update(model=text)
    host["os"].update(id=text, version_id=text)
    host["boot"]["running"].update(version=text, cmdline=text)
    for function in host["pci"].values():
        function.update(vendor_name=text, device_name=text)
        function["driver"] = text if function["driver"] and not function["bridge"] else function["driver"]
    result = {**refused(text, text, text), "requests": [request(text, text)], "notes": [text]}
    return updated(None, Inspection(name, TIME, {"host": host, "unreadable": []}, result))


def test_the_page_of_a_machine(reading: Json) -> None:
    cpus = {"guests": [1, 2, 3], "host": [0]}
    devices = [{"name": "gpu", "address": "0000:02:00.0"}]
    result = {"states": YES, "requests": [request()], "steps": [], "refusals": [], "cpus": cpus, "devices": devices}
    page = machine_page(updated(None, Inspection("ws1", TIME, reading, result)))
    assert page.count("</svg>") == 2
    text = Structure(page).text
    assert "guests: CPUs 1-3" in text
    assert "everything requested is active" in text
    for address in reading["host"]["pci"]:
        assert address in text
    assert 'href="../ws1.json"' in page
    assert "<script" not in page


@settings(max_examples=30, deadline=None)
@given(text=HOSTILE, name=HOSTILE)
def test_what_a_host_says_is_text(reading: Json, text: str, name: str) -> None:
    hostile, plain = with_text(reading, text, name), with_text(reading, "x", "y")
    assert Structure(machine_page(hostile)).elements == Structure(machine_page(plain)).elements
    pages = [fleet_page([parse_record(document)], {}) for document in (hostile, plain)]
    assert Structure(pages[0]).elements == Structure(pages[1]).elements


def test_markup_is_shown_as_it_is(reading: Json) -> None:
    document = with_text(reading, MARKUP, MARKUP)
    for page in (machine_page(document), fleet_page([parse_record(document)], {file_stem(MARKUP): MARKUP})):
        assert "<img" not in page
        assert page.count("<script>") == page.count("</script>") <= 1
        assert "7 * 7" in Structure(page).text
        assert "49" not in Structure(page).text


def test_parity_is_a_column_where_there_is_one(reading: Json) -> None:
    document = updated(None, Inspection("ws1", TIME, reading))
    files = [("ws1.json", rendered(document)), ("ws1.parity.json", json.dumps(measured({"integer_one": 1.0})))]
    assert ">equivalent</td>" in fleet_page(*read_records(files))
    assert "parity" not in fleet_page(*read_records(files[:1])).split("<tbody>")[-2]


def test_refusals_are_grouped_by_what_has_to_be_done(reading: Json) -> None:
    results = [
        refused("iommu_disabled_by_firmware", "Enable the IOMMU."),
        refused("cpu_virtualization_disabled_by_firmware", "Enable virtualization."),
        refused("device_in_use", "Move it.", "disk a"),
        refused("device_in_use", "Move it.", "disk b"),
        refused("device_in_use", "Move it.", "disk c"),
    ]
    documents = [updated(None, Inspection(f"ws{number}", TIME, reading, item)) for number, item in enumerate(results)]
    text = Structure(fleet_page([parse_record(document) for document in documents], {})).text
    assert "3 machines: Move it." in text
    assert "2 machines: somebody has to visit the firmware setup" in text
    assert text.index("3 machines: Move it.") < text.index("2 machines: somebody")
    assert "Enable the IOMMU." in text


def test_changes_since_the_last_time(reading: Json) -> None:
    before = updated(None, Inspection("ws1", "2026-11-28T07:00:00Z", reading))
    assert "Changed since" not in fleet_page([parse_record(before)], {})
    host = json.loads(json.dumps(reading["host"]))
    host["iommu"]["state"] = "disabled_by_firmware"
    after = updated(before, Inspection("ws1", TIME, {**reading, "host": host}))
    page = fleet_page([parse_record(after)], {})
    assert "1 machine: IOMMU: enabled before, disabled by firmware now" in Structure(page).text


def test_files_under_the_name_of_another_host_are_ignored(reading: Json) -> None:
    text = rendered(updated(None, Inspection("ws1", TIME, reading)))
    files = [("ws1.json", text), ("ws2.json", text), ("notes.json", "{}"), ("x.parity.json", "[]"), ("y.json", "{")]
    records, parity = read_records(files)
    assert [record.name for record in records] == ["ws1"]
    assert parity == {}


def test_the_same_data_is_the_same_page(reading: Json) -> None:
    document = updated(None, Inspection("ws1", TIME, reading))
    assert machine_page(document) == machine_page(json.loads(rendered(document)))
    record = parse_record(document)
    assert fleet_page([record], {}) == fleet_page([record], {})


def test_a_later_run_differs_in_times_only(reading: Json) -> None:
    before = updated(None, Inspection("ws1", TIME, reading))
    after = updated(before, Inspection("ws1", "2026-11-30T08:00:00Z", reading))
    pages = [fleet_page([parse_record(document)], {}) for document in (before, after)]
    assert pages[0] != pages[1]
    assert without_times(pages[0]) == without_times(pages[1])


def test_a_thousand_machines_are_less_than_a_megabyte(reading: Json) -> None:
    codes = [f"code_{number % 7}" for number in range(1000)]
    records = [
        parse_record(
            updated(
                None,
                Inspection(
                    f"workstation-{number:04}.engineering.example.org",
                    TIME,
                    reading if number == 0 else None,
                    {**refused(code, f"Do {code}."), "requests": [request(str(number % 9))]},
                ),
            )
        )
        for number, code in enumerate(codes)
    ]
    gpus, summary = records[0].summary.gpus, records[0].summary
    records = [
        record._replace(
            read_at=TIME,
            summary=record.summary._replace(
                gpus=gpus, system=summary.system, kernel=f"6.12.{number}-amd64-with-a-name"
            ),
        )
        for number, record in enumerate(records)
    ]
    page = fleet_page(records, {file_stem(record.name): "equal within 3 %" for record in records})
    assert page.count("<tr data-s=") == 1000
    assert len(page.encode()) < 1_000_000


def test_pages_need_nothing_else(reading: Json) -> None:
    document = updated(None, Inspection("ws1", TIME, reading))
    for page in (machine_page(document), fleet_page([parse_record(document)], {})):
        assert "default-src 'none'" in page
        assert "://" not in page
        assert all("src" not in attributes for _tag, attributes in Structure(page).elements)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (5, 5),
        ("a\nb", "a\nb"),
        ("a\0b\N{RIGHT-TO-LEFT OVERRIDE}c\ud800", "a\ufffdb\ufffdc\ufffd"),
        ("x" * 700, "x" * 597 + "..."),
    ],
)
def test_printable(value: Any, text: Any) -> None:
    assert printable(value) == text
