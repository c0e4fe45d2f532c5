# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""provision on machines that are folders: what is called, in what order, and what a person gets to read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.vfio.workstation.plugins.module_utils._local.archive import Archive

from .conftest import Fleet

PROVISION = "vfio.workstation.provision"
SUMMARY = "Report the state of each request"
IN_USE = {
    "code": "device_in_use",
    "seen": "gpu: 0000:01:00.0 is in use: process Xorg (731) has /dev/dri/card0 open",
    "danger": "The host would lose what uses the device at the next boot, and might not boot at all.",
    "remedy": "Move it to a device that stays with the host, or select another device.",
}
REBOOTS: dict[str, Any] = {"workstation_reboot": "when_required", "workstation_reboot_timeout": 2}


def test_from_bare_to_active_and_then_nothing(fleet: Fleet) -> None:
    fleet.add("ws1")
    first = fleet.run(PROVISION, "--diff", **REBOOTS)
    assert first.status == 0, first.output
    assert [call["check"] for call in fleet.calls("ws1")] == [True, False, True]  # preflight, apply, verify
    assert fleet.state("ws1")["reboots"] == 1
    assert first.output.count("+new") == 1  # its diff is not shown twice
    assert "ws1: everything requested is active" in first.printed(SUMMARY)
    assert first.recap["ws1"]["changed"] == 2  # the files, and the reboot

    second = fleet.run(PROVISION, "--diff", **REBOOTS)
    assert second.status == 0, second.output
    assert [call["check"] for call in fleet.calls("ws1")] == [True]
    assert fleet.state("ws1")["reboots"] == 1
    assert (second.recap["ws1"]["ok"], second.recap["ws1"]["skipped"]) == (3, 0)
    assert second.recap["ws1"]["changed"] == 0


def test_twenty_machines_of_which_some_cannot(fleet: Fleet) -> None:
    names = [f"ws{number:02}" for number in range(1, 21)]
    odd: dict[str, dict[str, Any]] = {
        "ws01": {"unreachable": True},
        "ws02": {"refusals": [IN_USE]},
        "ws03": {"refusals": [IN_USE]},
        "ws04": {"fails": "memory_for_host: found 4, expected a size\niommu: found 1, expected a mapping"},
        "ws05": {"lost": True},
        "ws06": {"stubborn": True},
    }
    for name in names:
        fleet.add(name, **odd.get(name, {}))
    run = fleet.run(PROVISION, workstation_serial=5, **REBOOTS)
    assert run.status != 0

    refusals, _blank, table = run.printed(SUMMARY).partition("\n\n")
    assert "ws02, ws03:\n" in refusals  # what is the same stands there once
    assert refusals.count("[device_in_use] gpu: 0000:01:00.0 is in use") == 1
    assert "What to do: Move it to a device" in refusals
    assert "no route to ws01" in refusals
    assert "iommu: found 1, expected a mapping" in refusals

    assert {name for name, counts in run.recap.items() if counts["failed"]} == set(odd)
    for name in names:
        state = fleet.state(name)
        touched = name not in ("ws01", "ws02", "ws03", "ws04")
        assert (state["files"], state.get("reboots", 0)) == (touched, int(touched)), name
    assert "ws05: failed" in table
    assert "did not come back" in table
    assert "ws06: failed" in table
    assert "Rebooted, but the configuration is not active: staged" in table
    assert "\n20 hosts: 1 unreachable, 2 refused, 3 failed, 14 active\n" in table
    lines = table[: table.index("20 hosts: ")].splitlines()
    assert max(map(len, lines)) <= 80
    # The line of a failed host says the first refusal in words.
    assert "refused; nothing was changed. [device_in_use] gpu: 0000:01:00.0 is in use" in run.output
    assert max(map(len, refusals.splitlines())) <= 100


def test_a_machine_that_does_not_come_back_stops_no_batch(fleet: Fleet) -> None:
    fleet.add("ws1", lost=True)
    fleet.add("ws2")
    fleet.add("ws3")
    run = fleet.run(PROVISION, workstation_serial=1, **REBOOTS)
    assert run.status != 0
    assert [fleet.state(name)["running"] for name in ("ws2", "ws3")] == [True, True]
    assert run.recap["ws1"]["failed"] == 1
    assert run.output.count("PLAY [Reboot]") == 3


def test_what_no_reboot_brings_fails_and_is_no_reason_for_one(fleet: Fleet) -> None:
    fleet.add("ws1", short=True)
    for _run in range(2):
        run = fleet.run(PROVISION, **REBOOTS)
        assert run.status != 0
        assert "ws1: configured and staged, but not everything is active" in run.printed(SUMMARY)
        assert "a reboot alone will not help" in run.output
        assert "reboots" not in fleet.state("ws1")


def test_every_machine_refused(fleet: Fleet) -> None:
    fleet.add("ws1", refusals=[IN_USE])
    run = fleet.run(PROVISION, **REBOOTS)
    assert run.status != 0
    assert [call["check"] for call in fleet.calls("ws1")] == [True]
    assert "ws1: refused; nothing was changed" in run.printed(SUMMARY)


def test_check_mode_shows_the_diff_in_one_call_and_touches_nothing(fleet: Fleet) -> None:
    fleet.add("ws1")
    fleet.add("ws2", refusals=[IN_USE])
    run = fleet.run(PROVISION, "--check", "--diff", **REBOOTS)
    assert run.status != 0  # ws2 is refused
    assert [call["check"] for call in fleet.calls("ws1")] == [True]
    assert fleet.state("ws1") == {"files": False, "running": False}
    assert run.output.count("+new") == 1
    assert run.recap["ws1"]["changed"] == 1
    assert run.recap["ws1"]["failed"] == 0
    assert "ws1: changes pending (1 step)" in run.printed(SUMMARY)


def test_without_consent_no_reboot_and_the_next_run_goes_on(fleet: Fleet) -> None:
    fleet.add("ws1")
    run = fleet.run(PROVISION)
    assert run.status == 0, run.output
    assert "ws1: configured and staged; reboot to activate" in run.printed(SUMMARY)
    assert "reboots" not in fleet.state("ws1")
    fleet.calls("ws1")

    assert fleet.run(PROVISION, **REBOOTS).status == 0
    assert [call["check"] for call in fleet.calls("ws1")] == [True, True]  # nothing is applied once more
    assert fleet.state("ws1")["running"]


def test_ask_asks_once_and_takes_only_yes_for_a_yes(fleet: Fleet) -> None:
    for name in ("ws1", "ws2"):
        fleet.add(name)
    fleet.add("ws3", {"workstation_iommu": {}, "workstation_reboot": "never"})
    for name in ("ws1", "ws2"):
        fleet.set(name, workstation_reboot="ask")
    for answer, reboots in ((None, 0), ("perhaps\n", 0), ("yes\n", 1)):
        run = fleet.run(PROVISION, answer=answer)
        assert run.status == 0, run.output
        assert [fleet.state(name).get("reboots", 0) for name in ("ws1", "ws2", "ws3")] == [reboots, reboots, 0]
        question = 'ws1, ws2 is staged. A reboot activates it. Type "yes" to continue'
        assert run.output.count(question) == (answer is not None)


def test_consent_is_a_variable_of_each_host(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "workstation_reboot": "when_required"})
    fleet.add("ws2")
    run = fleet.run(PROVISION)
    assert run.status == 0, run.output
    assert [fleet.state(name)["running"] for name in ("ws1", "ws2")] == [True, False]


def test_limit(fleet: Fleet) -> None:
    for name in ("ws1", "ws2"):
        fleet.add(name)
    run = fleet.run(PROVISION, "--limit", "ws2", **REBOOTS)
    assert run.status == 0, run.output
    assert fleet.calls("ws1") == []
    assert fleet.state("ws2")["running"]
    assert "\n1 host: 1 active\n" in run.printed(SUMMARY)


def test_a_machine_that_runs_it_for_itself_is_told_and_not_rebooted(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "ansible_connection": "local"})
    run = fleet.run(PROVISION, environment={"STAND_IN_MACHINE": fleet.folder("ws1")}, **REBOOTS)
    assert run.status == 0, run.output
    assert "ws1 runs this playbook for itself and is not rebooted by it" in run.output
    assert "ws1: configured and staged; reboot to activate" in run.printed(SUMMARY)
    assert [call["check"] for call in fleet.calls("ws1")] == [True, False]


def test_however_a_machine_connects_to_itself(fleet: Fleet) -> None:
    fleet.add("ws1")
    fleet.boots_as_this_computer("ws1")
    run = fleet.run(PROVISION, **REBOOTS)
    assert run.status == 0, run.output
    assert "ws1 runs this playbook for itself" in run.output
    assert "reboots" not in fleet.state("ws1")


def test_as_ansible_pull_runs_it(fleet: Fleet) -> None:
    fleet.add("localhost")
    words = ("--connection", "local", "--inventory", "localhost,", "--limit", "localhost,127.0.0.1")
    run = fleet.run_as_is(PROVISION, *words, environment={"STAND_IN_MACHINE": fleet.folder("localhost")}, **REBOOTS)
    assert run.status == 0, run.output
    assert "localhost runs this playbook for itself" in run.output


def test_nothing_set_is_a_report_and_no_change(fleet: Fleet) -> None:
    fleet.add("ws1", {})
    run = fleet.run(PROVISION, **REBOOTS)
    assert run.status == 0, run.output
    assert len(fleet.calls("ws1")) == 1
    assert fleet.state("ws1") == {"files": False, "running": False}
    assert "virtualization" in run.printed("vfio.workstation.report : Print the summary")
    assert "ws1: no configuration requested" in run.printed(SUMMARY)


def test_a_variable_that_can_not_be_read_fails_that_machine_before_anything(fleet: Fleet) -> None:
    fleet.add("ws1", {"workstation_iommu": {}, "workstation_reboot": "allways"})
    fleet.add("ws2")
    run = fleet.run(PROVISION)
    assert run.status != 0
    assert fleet.calls("ws1") == []
    assert "allways" in run.printed(SUMMARY)
    assert fleet.state("ws2")["files"]
    assert "ws1: failed" in run.printed(SUMMARY)


def test_a_host_whose_command_knows_that_nothing_is_due_is_not_sent_the_module(fleet: Fleet) -> None:
    row = {"section": "iommu", "name": "IOMMU", "requested": "on", "now": "enabled"}
    states = {"configured": True, "staged": True, "active": True}
    values = {"requests": [{**row, **states}], "states": states, "steps": [], "refusals": [], "unreadable": []}
    code = {source.name: source.checksum for source in Archive().sources}
    for name, known in (("ws1", code), ("ws2", {**code, "_plan/iommu.py": 1})):
        fleet.add(name, files=True, running=True)
        answer = {"code": known, "warnings": [], "values": {**values, "changed": False, "reboot_required": False}}
        Path(fleet.folder(name), "answer.json").write_text(json.dumps(answer), "utf-8")
    run = fleet.run(PROVISION)
    assert run.status == 0, run.output
    assert "ws1: everything requested is active" in run.printed(SUMMARY)
    assert [fleet.calls("ws1"), [call["check"] for call in fleet.calls("ws2")]] == [[], [True]]
