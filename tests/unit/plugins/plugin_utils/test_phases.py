# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of each phase."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.plugin_utils._phases import NOBODY, PHASES, Run, phase_hosts

STATES = {"configured": True, "staged": True, "active": True}
REQUESTS = [{"section": "iommu", "name": "IOMMU", **STATES}]
ACTIVE = {"states": STATES, "requests": REQUESTS, "steps": [], "refusals": []}
PENDING = {**ACTIVE, "steps": [{}]}
STAGED = {**ACTIVE, "states": {**STATES, "active": False}, "reboot_required": True}
BARE = {**ACTIVE, "requests": []}
UNREAD = {"unreadable": [{"path": "/boot"}]}
REFUSED = {**ACTIVE, "failed": True, "refusals": [{"code": "x"}]}
GUEST = {"guests": [{"name": "windows", "configured": None}]}
FAILED_GUEST = {"guests": [{"name": "windows", "failed": True}]}
GONE = {"workstation_state": "absent"}
ASK, DUE, YES = {"workstation_reboot": "ask"}, {"workstation_reboot": "when_required"}, {"user_input": " Yes "}


@pytest.mark.parametrize(
    ("result", "variables", "run", "phases"),
    [
        (PENDING, {}, Run(False), {"apply"}),
        (PENDING, {}, Run(True), set()),
        ({**PENDING, **UNREAD}, {}, Run(True), set()),
        (BARE, {}, Run(False), {"apply"}),
        (BARE, {}, Run(True), {"apply"}),  # a report changes nothing
        ({**BARE, **UNREAD}, {}, Run(True), {"apply"}),
        (BARE, {"workstation_state": "absent"}, Run(False), set()),
        (BARE, {}, Run(False, state="absent"), set()),
        (ACTIVE, DUE, Run(False), set()),
        (REFUSED, DUE, Run(False), set()),
        ({"unreachable": True}, DUE, Run(False), set()),
        (STAGED, {}, Run(False), set()),
        (STAGED, DUE, Run(False), {"reboot"}),
        (STAGED, DUE, Run(True), set()),
        (STAGED, {}, Run(False, reboot="when_required"), {"reboot"}),
        (STAGED, DUE, Run(False, reboot="never"), set()),
        (STAGED, ASK, Run(False), {"ask"}),
        (STAGED, {**ASK, "__workstation_answer": {"user_input": "perhaps"}}, Run(False), {"ask"}),
        (STAGED, {**ASK, "__workstation_answer": YES}, Run(False), {"ask", "reboot"}),
        (STAGED, {"__workstation_answer": YES}, Run(False), set()),
        ({"unreachable": True}, {"report_dir": "reports"}, Run(False), {"pages"}),
        (ACTIVE, {"report_dir": ""}, Run(False), set()),
        ({**ACTIVE, **GUEST}, {}, Run(False), {"define_guests", "guests"}),
        ({**BARE, **GUEST}, {}, Run(True), {"define_guests", "guests"}),
        ({**PENDING, **GUEST}, {}, Run(True), set()),
        ({**STAGED, **GUEST}, DUE, Run(False), {"reboot"}),
        ({**REFUSED, **GUEST}, {}, Run(False), set()),
        ({**ACTIVE, **FAILED_GUEST}, {}, Run(False), set()),
        ({**PENDING, **GUEST}, GONE, Run(False), {"remove_guests", "guests", "apply"}),
        ({**PENDING, **GUEST}, GONE, Run(True), {"remove_guests", "guests"}),
        ({**REFUSED, **GUEST}, GONE, Run(False), set()),
        ({"unreachable": True, **GUEST}, {}, Run(False, state="absent"), set()),
    ],
)
def test_phases(result: dict[str, Any], variables: dict[str, Any], run: Run, phases: set[str]) -> None:
    hostvars: dict[str, dict[str, Any]] = {"ws1": {**variables, "workstation_result": result}, "localhost": {}}
    selected = {phase: phase_hosts(hostvars, phase, ["ws1"], run) for phase in PHASES}
    assert {phase for phase, hosts in selected.items() if hosts == ["ws1"]} == phases
    assert all(hosts == NOBODY for phase, hosts in selected.items() if phase not in phases)


def test_hosts_keep_their_order_and_localhost_needs_no_inventory() -> None:
    hostvars = {name: {"workstation_result": PENDING} for name in ("b", "a", "localhost")}
    assert phase_hosts(hostvars, "apply", ["b", "a"], Run(False)) == ["b", "a", "localhost"]
    assert phase_hosts(hostvars, "apply", ["localhost"], Run(False)) == ["localhost"]


def test_without_hosts_there_is_nobody() -> None:
    assert {phase: phase_hosts({}, phase, [], Run(False)) for phase in PHASES} == dict.fromkeys(PHASES, NOBODY)
