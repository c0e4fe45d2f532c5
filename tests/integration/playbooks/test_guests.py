# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests in provision, verify and rollback, on machines that are folders."""

from __future__ import annotations

from typing import Any

from .conftest import IOMMU, Fleet

PROVISION, VERIFY, ROLLBACK = (f"vfio.workstation.{name}" for name in ("provision", "verify", "rollback"))
SUMMARY = "Report the state of each request"
ACTIVE = {"files": True, "running": True}
REBOOTS: dict[str, Any] = {"workstation_reboot": "when_required", "workstation_reboot_timeout": 2}
SECRET = "correct horse"
WINDOWS = {
    "name": "windows",
    "os": "windows11",
    "devices": ["gpu"],
    "install": {"iso": "/srv/w.iso", "drivers": "/srv/v.iso", "user": "dev", "password": SECRET},
}
GUESTS: dict[str, Any] = {**IOMMU, "workstation_guests": [WINDOWS]}
DEFINED = {"windows": {"devices": ["gpu"]}}


def guest_calls(fleet: Fleet, name: str) -> list[tuple[bool, str, str]]:
    """The calls of the module guest since this was asked last: check mode, guest, state."""
    return [(call["check"], call["name"], call["state"]) for call in fleet.calls(name, "guest_calls.jsonl")]


def row(table: str, name: str = "windows") -> str:
    """The cells of a guest in the table, of one or several lines."""
    lines = table[table.index(f"guest {name}") :].splitlines()
    return " ".join(" ".join(lines[:3]).split())


def test_a_bare_machine_gets_its_guest_after_the_reboot(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS)
    first = fleet.run(PROVISION, "--diff", "-vv", **REBOOTS)
    assert first.status == 0, first.output
    assert guest_calls(fleet, "ws1") == [(False, "windows", "present")]
    assert fleet.state("ws1")["guests"] == {"windows": {"devices": ["gpu"], "running": False}}
    assert "ws1: everything requested is active" in first.printed(SUMMARY)
    assert "yes yes yes defined; off" in row(first.printed(SUMMARY))
    assert first.output.count("+<domain/>") == 1
    assert SECRET not in first.output
    fleet.calls("ws1")

    second = fleet.run(PROVISION, **REBOOTS)
    assert second.status == 0, second.output
    # One trip for the host, one for the guest.
    assert (len(fleet.calls("ws1")), guest_calls(fleet, "ws1")) == (1, [(False, "windows", "present")])
    assert (second.recap["ws1"]["ok"], second.recap["ws1"]["skipped"], second.recap["ws1"]["changed"]) == (5, 0, 0)


def test_a_staged_machine_gets_none_before_its_reboot(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS)
    run = fleet.run(PROVISION)
    assert run.status == 0, run.output
    assert guest_calls(fleet, "ws1") == []
    assert "- - - after the reboot" in row(run.printed(SUMMARY))
    assert "ws1: configured and staged; reboot to activate" in run.printed(SUMMARY)


def test_check_mode(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS)
    fleet.add("ws2", GUESTS, **ACTIVE)
    run = fleet.run(PROVISION, "--check")
    assert run.status == 0, run.output
    assert guest_calls(fleet, "ws1") == []
    assert guest_calls(fleet, "ws2") == [(True, "windows", "present")]
    waiting, _end, missing = run.printed(SUMMARY).partition("ws2: changes pending")
    assert "- - - after the host is" in row(waiting)
    assert "no no no not defined" in row(missing)
    assert "guests" not in fleet.state("ws2")


def test_a_refused_guest_fails_its_machine_and_no_other(fleet: Fleet) -> None:
    second = {"name": "linux", "os": "linux"}
    guests = {"workstation_guests": [{**WINDOWS, "state": "absent"}, second]}
    fleet.add("ws1", {**IOMMU, **guests}, **ACTIVE, guests={"windows": {"devices": ["gpu"], "running": True}})
    fleet.add("ws2", GUESTS, **ACTIVE)
    run = fleet.run(PROVISION)
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 1, "ws2": 0}
    assert set(fleet.state("ws1")["guests"]) == {"windows", "linux"}  # the refused one stops no other
    assert "[guest_running] windows: the guest runs" in run.printed(SUMMARY)
    assert "1 guest_failed, 1 active" in run.printed(SUMMARY)
    assert "guest windows: refused; nothing was changed in it. [guest_running]" in run.output


def test_verify_fails_for_a_guest_that_differs(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS, **ACTIVE, guests=DEFINED)
    fleet.add("ws2", GUESTS, **ACTIVE, guests={"windows": {"devices": []}})
    fleet.add("ws3", GUESTS, **ACTIVE)
    fleet.add("ws4", IOMMU, **ACTIVE)
    run = fleet.run(VERIFY)
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 0, "ws2": 1, "ws3": 1, "ws4": 0}
    assert "guest windows: its definition differs" in run.output
    assert "guest windows: not defined" in run.output
    assert guest_calls(fleet, "ws1") == [(True, "windows", "present")]
    assert guest_calls(fleet, "ws4") == []
    assert [run.recap[name]["ok"] for name in ("ws1", "ws4")] == [5, 2]
    assert run.recap["ws1"]["changed"] == run.recap["ws2"]["changed"] == 0


def test_verify_looks_into_a_guest_that_runs(fleet: Fleet) -> None:
    running = {"devices": ["gpu"], "running": True}
    # without the name of a user, which is hidden wherever it occurs
    installed = {**IOMMU, "workstation_guests": [{"name": "windows", "os": "windows11", "devices": ["gpu"]}]}
    fleet.add("ws1", installed, **ACTIVE, guests={"windows": running})
    fleet.add("ws2", installed, **ACTIVE, guests={"windows": {**running, "fails": ["gpu"]}})
    run = fleet.run(VERIFY)
    assert {name: counts["failed"] for name, counts in run.recap.items()} == {"ws1": 0, "ws2": 1}
    table = run.printed(SUMMARY)
    assert "gpu works in the guest" in row(table)
    assert "1 guest_degraded, 1 active" in table
    assert "[guest_device_fails] windows: gpu (10de:2684): Windows reports the problem code 43" in " ".join(
        table.split()
    )
    # provision asks nothing of a guest: that it is defined is all that it is for
    assert fleet.run(PROVISION).recap["ws2"]["failed"] == 0


def test_rollback_removes_the_guest_before_the_host(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS, **ACTIVE, guests=DEFINED)
    check = fleet.run(ROLLBACK, "--check")
    assert check.status == 0, check.output
    assert "removed no no no defined" in row(check.printed(SUMMARY))
    assert guest_calls(fleet, "ws1") == [(True, "windows", "absent")]
    assert fleet.state("ws1")["guests"] == DEFINED

    run = fleet.run(ROLLBACK, **REBOOTS)
    assert run.status == 0, run.output
    assert guest_calls(fleet, "ws1") == [(False, "windows", "absent")]
    assert (fleet.state("ws1")["guests"], fleet.state("ws1")["files"]) == ({}, False)
    assert "ws1: rolled back; nothing is left" in run.printed(SUMMARY)
    assert "removed yes yes yes not defined" in row(run.printed(SUMMARY))


def test_rollback_leaves_a_host_whose_guest_runs(fleet: Fleet) -> None:
    fleet.add("ws1", GUESTS, **ACTIVE, guests={"windows": {"devices": ["gpu"], "running": True}})
    run = fleet.run(ROLLBACK, **REBOOTS)
    assert run.recap["ws1"]["failed"] == 1
    assert fleet.state("ws1")["files"]
    assert "[guest_running] windows: the guest runs" in run.printed(SUMMARY)


def test_mistakes_of_all_entries_come_at_once_before_anything_is_sent(fleet: Fleet) -> None:
    guests = [WINDOWS, {"name": "windows", "os": "linux", "memry": "8G"}, {"os": "beos", "memory": 8}]
    fleet.add("ws1", {**IOMMU, "workstation_guests": guests})
    run = fleet.run(PROVISION)
    assert fleet.calls("ws1") == []
    text = " ".join(run.printed(SUMMARY).split())
    for start in (
        "workstation_guests[1].memry: found '8G', expected one of the keys name, os,",
        "Did you mean memory?",
        "workstation_guests[2].name: found None",
        "workstation_guests[2].os: found 'beos', expected one of linux, windows10, windows11.",
        "workstation_guests[2].memory: found 8, expected a size",
        "workstation_guests[1].name: found 'windows', expected another name than workstation_guests[0].name.",
    ):
        assert start in text, run.output
    assert SECRET not in run.output


def test_the_role_alone(fleet: Fleet, tmp_path: Any) -> None:
    playbook = tmp_path / "role.yml"
    playbook.write_text(
        "- hosts: all\n  gather_facts: false\n  roles: [vfio.workstation.workstation]\n", encoding="utf-8"
    )
    fleet.add("ws1", GUESTS)
    run = fleet.run(str(playbook), **REBOOTS)
    assert run.status == 0, run.output
    assert fleet.state("ws1")["guests"]["windows"]["devices"] == ["gpu"]
    run = fleet.run(str(playbook), workstation_state="absent", **REBOOTS)
    assert run.status == 0, run.output
    assert fleet.state("ws1")["guests"] == {}
    assert not fleet.state("ws1")["files"]
