# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of requests: what runs add to it and remove from it, and damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.record_text import DamagedRecord
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import (
    Requests,
    parse_requests,
    recorded_request,
    render_requests,
    update_requests,
    without_sections,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import REQUEST, SECTION_OPTIONS

GPU = [{"name": "gpu", "select": {"vendor": "10de"}}]
PAGES = [{"size": "1G", "count": 2}]
EMPTY: dict[str, Any] = {
    "devices": [],
    "hugepages": [],
    "cpu_isolation": {"cpus": "none"},
    "access": {},
    "kvm": {},
    "arguments": [],
}


def after(before: Requests, **options: Any) -> Requests:
    desired = parse_desired({name: value for name, value in options.items() if name in REQUEST})
    assert isinstance(desired, Desired), desired
    return update_requests(before, options, desired)


def test_a_run_updates_its_own_sections() -> None:
    first = after({}, devices=GPU, iommu={}, accept=["device_in_use"])
    second = after(first, hugepages=PAGES, memory_for_host="4G", conflicts="replace")
    assert list(second) == ["iommu", "devices", "hugepages"]
    request = recorded_request(second)
    assert request.replace
    assert request.options == {
        "iommu": {},
        "devices": GPU,
        "hugepages": PAGES,
        "accept": ["device_in_use"],
        "memory_for_host": "4G",
    }
    assert isinstance(parse_desired(request.options), Desired)
    third = after(second, hugepages=[{"size": "2M", "count": 8}])
    assert recorded_request(third).options["hugepages"] == [{"size": "2M", "count": 8}]
    assert "memory_for_host" not in recorded_request(third).options
    assert not recorded_request(third).replace


@pytest.mark.parametrize("section", EMPTY)
def test_a_section_that_requests_nothing_is_not_recorded(section: str) -> None:
    assert after({}, **{section: EMPTY[section]}) == {}
    full = {name: {"request": [], "accept": [], "conflicts": "refuse"} for name in SECTION_OPTIONS}
    assert after(full, **{section: EMPTY[section]}) == {name: full[name] for name in full if name != section}


def test_an_empty_mapping_of_these_requests_something() -> None:
    assert list(after({}, iommu={}, cpu_isolation={})) == ["iommu", "cpu_isolation"]


def test_removed_sections_are_no_longer_requested() -> None:
    requests = after({}, devices=GPU, iommu={})
    assert list(without_sections(requests, ["devices", "kvm"])) == ["iommu"]
    assert without_sections(requests, list(SECTION_OPTIONS)) == {}


def test_reads_back_and_does_not_depend_on_the_order_of_keys() -> None:
    requests = after({}, devices=GPU, hugepages=PAGES)
    assert parse_requests(render_requests(requests)) == requests
    other = [{"select": {"vendor": "10de"}, "name": "gpu"}]
    assert render_requests(after({}, hugepages=PAGES, devices=other)) == render_requests(requests)
    assert parse_requests(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": 2, "sections": {}}',
        '{"format": 1}',
        '{"format": 1, "sections": []}',
        '{"format": 1, "sections": {"mirrors": {"request": 1, "accept": [], "conflicts": "refuse"}}}',
        '{"format": 1, "sections": {"iommu": null}}',
        '{"format": 1, "sections": {"iommu": {"accept": [], "conflicts": "refuse"}}}',
        '{"format": 1, "sections": {"iommu": {"request": {}, "accept": [1], "conflicts": "refuse"}}}',
        '{"format": 1, "sections": {"iommu": {"request": {}, "accept": [], "conflicts": "ignore"}}}',
    ],
)
def test_damage_is_reported(text: str) -> None:
    with pytest.raises(DamagedRecord):
        parse_requests(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(list(SECTION_OPTIONS)), JSON) | JSON, JSON)
def test_any_json_is_a_request_a_list_of_mistakes_or_damage(sections: Any, request: Any) -> None:
    if isinstance(sections, dict):
        whole = {"request": request, "accept": [], "conflicts": "refuse"}
        sections = {name: {**whole, **(part if isinstance(part, dict) else {})} for name, part in sections.items()}
    try:
        requests = parse_requests(json.dumps({"format": 1, "sections": sections}))
    except DamagedRecord:
        return
    assert isinstance(parse_desired(recorded_request(requests).options), (Desired, list))
