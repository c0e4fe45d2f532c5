# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""verify and rollback on machines that are folders."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Fleet

VERIFY, ROLLBACK = "vfio.workstation.verify", "vfio.workstation.rollback"
SUMMARY = "Report the state of each request"
ACTIVE = {"files": True, "running": True}
REBOOTS: dict[str, Any] = {"workstation_reboot": "when_required", "workstation_reboot_timeout": 2}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"files": False, "running": False}, "changes pending"),
        ({"files": True, "running": False}, "configured and staged; reboot to activate"),
        ({**ACTIVE, "unreachable": True}, "unreachable"),
        ({**ACTIVE, "fails": "a tool failed"}, "failed"),
    ],
)
def test_verify_fails_the_machine_that_is_not_as_asked(fleet: Fleet, state: dict[str, Any], sentence: str) -> None:
    fleet.add("ws1", **state)
    fleet.add("ws2", **ACTIVE)
    run = fleet.run(VERIFY)
    assert run.status != 0
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 1, "ws2": 0}
    table = run.printed(SUMMARY)
    assert f"ws1: {sentence}" in table
    assert "ws2: everything requested is active" in table
    assert all(call["check"] for name in ("ws1", "ws2") for call in fleet.calls(name))
    assert fleet.state("ws1") == state


def test_verify_of_what_is_active_is_one_call_and_exits_with_0(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(VERIFY)
    assert run.status == 0, run.output
    assert len(fleet.calls("ws1")) == 1
    assert (run.recap["ws1"]["ok"], run.recap["ws1"]["skipped"]) == (3, 0)
    assert run.recap["ws1"]["changed"] == 0


def test_verify_fails_a_host_without_a_requested_configuration_unless_that_is_allowed(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    fleet.add("ws2", {})
    run = fleet.run(VERIFY)
    assert run.status != 0
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 0, "ws2": 1}
    assert "ws2: no configuration requested" in run.printed(SUMMARY)
    assert "or verify_allow_nothing to true" in run.output

    run = fleet.run(VERIFY, verify_allow_nothing="yes")
    assert run.status == 0, run.output
    assert "ws2: no configuration requested" in run.printed(SUMMARY)


def test_verify_of_a_rollback_needs_no_requested_configuration(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_state": "absent"}, files=False, running=False)
    run = fleet.run(VERIFY)
    assert run.status == 0, run.output
    assert "ws1: rolled back; nothing is left" in run.printed(SUMMARY)


def test_rollback_takes_everything_back_and_verifies_it(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(ROLLBACK, **REBOOTS)
    assert run.status == 0, run.output
    calls = fleet.calls("ws1")
    assert [call["check"] for call in calls] == [True, False, True]
    # Requests beside state=absent are an error of the module's.
    assert all(call["state"] == "absent" and call["iommu"] is None and call["sections"] is None for call in calls)
    assert fleet.state("ws1")["files"] is fleet.state("ws1")["running"] is False
    assert "ws1: rolled back; nothing is left" in run.printed(SUMMARY)

    assert fleet.run(ROLLBACK, **REBOOTS).recap["ws1"]["changed"] == 0
    assert len(fleet.calls("ws1")) == 1


def test_rollback_without_consent_waits_for_a_reboot(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(ROLLBACK)
    assert run.status == 0, run.output
    assert fleet.state("ws1") == {"files": False, "running": True}
    assert "ws1: files rolled back; reboot to complete the rollback" in run.printed(SUMMARY)


def test_rollback_in_check_mode(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(ROLLBACK, "--check", "--diff")
    assert run.status == 0, run.output
    assert fleet.state("ws1") == ACTIVE
    assert run.output.count("+new") == 1
    assert "ws1: rollback pending (1 step)" in run.printed(SUMMARY)
