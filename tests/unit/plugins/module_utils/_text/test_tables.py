# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables: every host, every request, every reason, in lines that fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._text.tables import (
    failure_text,
    guest_differences,
    refusal_table,
    request_table,
)
from ansible_collections.vfio.workstation.plugins.module_utils._text.verdict import VERDICTS, verdict

GPU = {
    "section": "devices",
    "name": "gpu",
    "requested": "0000:41:00.0, 0000:41:00.1 on vfio-pci",
    "now": "0000:41:00.0 nouveau, 0000:41:00.1 snd_hda_intel",
}
IN_USE = {"code": "device_in_use", "seen": "gpu is in use", "danger": "It would be lost.", "remedy": "Stop it."}

TAKEN = {
    "code": "host_device_taken",
    "seen": "0000:00:01.0, driver vfio-pci, boot display\n  claimed by /etc/modprobe.d/vfio.conf, line 2",
    "danger": "The screen stays black.",
    "remedy": "Remove that.",
}


UNREADABLE = [{"path": f"/boot/{number}", "error": "Permission denied", "values": []} for number in range(8)]


def done(active: bool | None, requests: int = 1, reboot: bool = False, **more: Any) -> dict[str, Any]:
    """Return what the module returns for a host on which everything is configured and staged."""
    states = {"configured": True, "staged": True, "active": active}
    return {
        "states": states,
        "requests": [{**GPU, **states}] * requests,
        "reboot_required": reboot,
        "refusals": [],
        **more,
    }


REFUSED_GUEST = {"section": "guest", "name": "windows", "failed": True, "refusals": [IN_USE], "now": "refused: x"}
BROKEN_GUEST = {"section": "guest", "name": "linux", "failed": True, "msg": "no\n  way"}
DUE_GUEST = {"section": "guest", "name": "windows", "due": True, "now": "its definition differs"}
OUTDATED_GUEST = {"section": "guest", "name": "windows", "active": False, "restart_required": True, "notes": ["slow"]}

RESULTS: list[tuple[dict[str, Any], bool, str]] = [
    (done(True), False, "active"),
    (done(True, steps=[{}]), False, "active"),
    (done(True, steps=[{}]), True, "pending"),
    (done(True, requests=0), False, "unmanaged"),
    (done(True, requests=0, guests=[{"section": "guest", "name": "windows"}]), False, "active"),
    (done(True, guests=[REFUSED_GUEST, BROKEN_GUEST]), True, "guest_failed"),
    (done(True, guests=[DUE_GUEST]), True, "pending"),
    (done(True, guests=[OUTDATED_GUEST]), False, "guest_outdated"),
    (done(True, guests=[OUTDATED_GUEST, {**OUTDATED_GUEST, "findings": [TAKEN]}]), False, "guest_degraded"),
    (done(False, reboot=True, guests=[OUTDATED_GUEST]), False, "staged"),
    (done(False, reboot=True), False, "staged"),
    (done(True, findings=[TAKEN]), False, "degraded"),
    (done(True, requests=0, findings=[TAKEN]), True, "degraded"),
    (done(False, findings=[TAKEN]), False, "degraded"),
    (done(False, reboot=True, findings=[TAKEN]), False, "staged"),
    (done(False), False, "incomplete"),
    ({**done(True), "requests": [{**GPU, "active": False}]}, False, "incomplete"),
    (done(None), False, "unknown"),
    (done(True, unreadable=UNREADABLE), True, "partial"),
    (done(False, reboot=True, unreadable=UNREADABLE), True, "partial"),
    (done(True, steps=[{}], unreadable=UNREADABLE), True, "pending"),
    (done(True, findings=[TAKEN], unreadable=UNREADABLE), True, "degraded"),
    ({**done(None), "refusals": [IN_USE], "failed": True, "unreadable": UNREADABLE}, True, "refused"),
    ({**done(None), "refusals": [IN_USE], "failed": True}, True, "refused"),
    ({**done(True), "failed": True, "msg": "it did not come back"}, False, "failed"),
    ({"msg": "a tool failed", "refusals": []}, False, "failed"),
    ({"unreachable": True, "msg": "no route"}, False, "unreachable"),
    ({}, False, "failed"),
]


@pytest.mark.parametrize(("result", "predicted", "word"), RESULTS)
def test_verdict(result: dict[str, Any], predicted: bool, word: str) -> None:
    assert verdict(result, predicted) == word
    assert bool(failure_text(result, predicted)) == (
        word in ("unreachable", "refused", "failed", "guest_failed", "degraded", "incomplete", "guest_degraded")
    )


def test_a_cause_is_said_once_with_all_its_codes() -> None:
    same = {"code": "cpu_virtualization_unsupported", "seen": "no VT-x", "danger": "d", "remedy": "r"}
    result = {"failed": True, "refusals": [IN_USE, {**same, "because": "device_in_use"}]}
    assert refusal_table({"a": result}) == [
        "a:",
        "  [device_in_use, cpu_virtualization_unsupported] gpu is in use",
        "    Why this matters: It would be lost.",
        "    What to do: Stop it.",
    ]
    assert failure_text(result) == "refused; nothing was changed. [device_in_use] gpu is in use"
    assert "(and 1 more" in failure_text({**result, "refusals": [IN_USE, same]})


def test_a_danger_is_printed_once_for_a_code() -> None:
    other = {**IN_USE, "seen": "nic is in use", "remedy": "Move it."}
    assert refusal_table({"a": {"failed": True, "refusals": [IN_USE, other]}})[1:] == [
        "  [device_in_use] gpu is in use",
        "    Why this matters: It would be lost.",
        "    What to do: Stop it.",
        "    nic is in use",
        "    What to do: Move it.",
    ]


def test_guests_have_rows_notes_and_reasons() -> None:
    result = done(True, guests=[REFUSED_GUEST, BROKEN_GUEST, OUTDATED_GUEST])
    table = "\n".join(request_table({"ws1": result}))
    assert "ws1: a guest was refused, or failed" in table
    assert "guest windows" in table
    assert "refused: x" in table
    assert "note: guest windows: slow" in table
    assert table.endswith("1 host: 1 guest_failed")
    assert failure_text(result) == (
        "guest windows: refused; nothing was changed in it. [device_in_use] gpu is in use; guest linux: failed: no way"
    )
    refusals = "\n".join(refusal_table({"ws1": result}))
    assert "[device_in_use] gpu is in use" in refusals
    assert "[guest_failed] guest linux: no" in refusals
    assert guest_differences(done(True, guests=[DUE_GUEST, OUTDATED_GUEST])) == [
        "guest windows: its definition differs"
    ]


def test_each_verdict_occurs() -> None:
    assert {word for _result, _predicted, word in RESULTS} == set(VERDICTS)


def test_what_a_reboot_will_not_activate_is_named() -> None:
    assert failure_text(done(False)) == (
        "not active, and a reboot alone will not help: devices gpu (0000:41:00.0 nouveau, 0000:41:00.1 snd_hda_intel)"
    )
    assert "see the table of this host" in failure_text(done(False, requests=0))


def test_a_request_has_its_marks_and_is_wrapped() -> None:
    request = {**GPU, "configured": True, "staged": False, "active": None}
    assert request_table(
        {"ws1": {**done(False, reboot=True), "requests": [request], "notes": ["gpu: it moved"]}}, width=88
    ) == [
        "ws1: configured and staged; reboot to activate",
        "  requested                          configured  staged  active  now",
        "  devices gpu: 0000:41:00.0,         yes         no      -       0000:41:00.0 nouveau,",
        "  0000:41:00.1 on vfio-pci                                       0000:41:00.1",
        "                                                                 snd_hda_intel",
        "  note: gpu: it moved",
        "1 host: 1 staged",
    ]


def test_an_incomplete_result_names_what_was_not_read() -> None:
    first, *more = request_table({"ws1": done(True, requests=0, unreadable=UNREADABLE)}, predicted=True)
    assert first == "ws1: inspected without root; whether something would change is unknown"
    assert " ".join(line.strip() for line in more) == (
        "incomplete: could not read /boot/0, /boot/1, /boot/2, /boot/3, /boot/4, /boot/5 and 2 more. "
        "Add -K, or run as root, to inspect everything. 1 host: 1 partial"
    )


def test_a_section_with_a_single_request_is_named_once() -> None:
    request = {"section": "iommu", "name": "IOMMU", "requested": "on", "now": "enabled", "active": True}
    assert request_table({"a": {**done(True), "requests": [request]}})[2].startswith("  IOMMU: on  ")


def test_the_last_line_counts_worst_first() -> None:
    results = {"a": done(True), "b": done(True), "c": {"unreachable": True, "msg": "no route"}}
    assert request_table(results)[-1] == "3 hosts: 1 unreachable, 2 active"
    assert request_table({}) == ["0 hosts: none"]


def test_a_rollback_has_its_own_sentences() -> None:
    assert request_table({"a": done(True, requests=0)}, False, "absent")[0] == "a: rolled back; nothing is left"
    assert request_table({"a": done(True, requests=0)})[0] == "a: no configuration requested"


def test_a_host_that_lost_a_device_is_not_active() -> None:
    """Active is said only if both halves hold: the request, and what the host needs."""
    result = done(True, findings=[TAKEN, {**TAKEN, "seen": "0000:00:02.0, driver vfio-pci"}])
    lines = request_table({"a": result})
    assert lines[0] == "a: the host is without devices that it should have"
    assert lines[-6:] == [
        "  [host_device_taken] 0000:00:01.0, driver vfio-pci, boot display",
        "      claimed by /etc/modprobe.d/vfio.conf, line 2",
        "    0000:00:02.0, driver vfio-pci",
        "    Why this matters: The screen stays black.",
        "    What to do: Remove that.",
        "1 host: 1 degraded",
    ]
    assert failure_text(result).startswith(
        "the host is without a device that it should have: 0000:00:01.0, driver vfio-pci, boot display claimed by"
    )


def test_identical_refusals_share_an_entry() -> None:
    other = {**IN_USE, "code": "iommu_absent"}
    results = {
        "a": {**done(None), "refusals": [IN_USE, other]},
        "b": done(True),
        "c": {**done(None), "refusals": [IN_USE, other]},
        "d": {"msg": "one\ntwo"},
    }
    assert refusal_table(results) == [
        "a, c:",
        "  [device_in_use] gpu is in use",
        "    Why this matters: It would be lost.",
        "    What to do: Stop it.",
        "  [iommu_absent] gpu is in use",
        "    Why this matters: It would be lost.",
        "    What to do: Stop it.",
        "d:",
        "  [failed] one",
        "    two",
    ]
    first = "refused; nothing was changed. [device_in_use] gpu is in use"
    assert failure_text(results["a"]) == f"{first} (and 1 more: see the refusals above)"
    assert failure_text({**done(None), "refusals": [IN_USE]}) == first
    assert failure_text(results["d"]) == "failed: one two"
    assert refusal_table({"b": done(True)}) == []


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_REQUESTS = st.fixed_dictionaries({}, optional=dict.fromkeys((*GPU, "configured", "staged", "active"), _VALUES))
_REFUSALS = st.fixed_dictionaries({}, optional=dict.fromkeys(IN_USE, _VALUES))
_RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "states": st.none() | st.fixed_dictionaries({}, optional={"active": _VALUES}),
        "requests": st.lists(_REQUESTS, max_size=3) | _VALUES,
        "refusals": st.lists(_REFUSALS, max_size=2),
        "steps": st.lists(_VALUES, max_size=2),
        **dict.fromkeys(("msg", "notes", "failed", "unreachable", "reboot_required"), _VALUES),
    },
)


@given(st.dictionaries(st.text(min_size=1, max_size=120), _RESULTS, max_size=4), st.booleans(), st.integers(60, 160))
def test_any_result_fits_into_lines(results: dict[str, Any], predicted: bool, width: int) -> None:
    lines = [*request_table(results, predicted, width=width), *refusal_table(results, width)]
    assert all(len(line) <= width and "\n" not in line for line in lines)
    assert all("\n" not in failure_text(result) for result in results.values())
