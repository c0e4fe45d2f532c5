# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that are refused, each for its reasons, in one run with others: provisioned already, bare, and broken."""

from __future__ import annotations

import re

import pytest

from tests.containers.provisioned import (
    AWAY,
    BACK,
    FLEET,
    MACHINES,
    PROVISIONED,
    REFUSED,
    Played,
    inside,
    play,
    unlike_before,
)

FINE = [name for name in FLEET if name.startswith("office")]
BROKEN = [name for name in FLEET if name not in FINE]
#: What a hypervisor does not provide to its guest: codes with one cause, which is said once.
ONE_CAUSE = {"iommu_absent", "cpu_virtualization_unsupported"}


def in_the_way(lines: list[str]) -> dict[str, list[str]]:
    """Return the codes that a table of refusals has for each machine, and insist that each is explained."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        if not line.startswith(" "):
            names = line.rstrip(":").split(", ")
        codes = re.match(r"  \[(\w+(?:, \w+)*)\] ", line)
        for name in names if codes else ():
            found.setdefault(name, []).extend(codes.group(1).split(", ") if codes else ())
    headings = sum(line.startswith("  [") and not line.startswith(("  [unreachable]", "  [failed]")) for line in lines)
    assert sum(line.startswith("    Why this matters: ") for line in lines) >= headings
    assert sum(line.startswith("    What to do: ") for line in lines) >= headings
    return found


def test_all_reasons_of_all_machines_are_in_one_table(all_at_once: Played) -> None:
    lines = all_at_once.printed("Report the state of each request")
    codes = in_the_way(lines[: lines.index("")])
    expected = {name: MACHINES[name]["refused_for"] for name in REFUSED} | {name: ["unreachable"] for name in AWAY}
    expected |= {name: ["failed"] for name in BROKEN}
    assert {name: sorted({*of_name}) for name, of_name in codes.items()} == expected


def test_each_fails_with_its_first_reason_and_stops_no_other(all_at_once: Played) -> None:
    assert all_at_once.status == 2
    assert sorted(all_at_once.failures) == sorted([*REFUSED, *AWAY, *BROKEN])
    for name in REFUSED:
        message = all_at_once.failures[name]
        reason = re.fullmatch(r"refused; nothing was changed\. \[(\w+)\] \S.*?(?: \(and \d+ more: .*\))?", message)
        assert reason, message
        assert reason.group(1) in MACHINES[name]["refused_for"]
        has_several = len({"a cause" if code in ONE_CAUSE else code for code in MACHINES[name]["refused_for"]}) > 1
        assert ("more: see the refusals above" in message) >= has_several
    for name in (*PROVISIONED, *REFUSED):
        counts = all_at_once.recap[name]
        assert (counts["failed"], counts["changed"], counts["unreachable"]) == (int(name in REFUSED), 0, 0)


def test_a_run_with_nothing_to_do_is_one_round_trip_for_each_machine(all_at_once: Played) -> None:
    """A machine that is as requested answers by its command, so that no module is sent to it."""
    sent = [(name, module) for name, module in all_at_once.modules if name not in FLEET]
    assert sorted(sent) == sorted((name, "host") for name in REFUSED)


@pytest.mark.parametrize("name", FINE)
def test_the_others_finish_with_their_reboot(all_at_once: Played, name: str) -> None:
    counts = all_at_once.recap[name]
    assert (counts["failed"], counts["changed"], counts["unreachable"]) == (0, 2, 0)  # the files, and the reboot
    # Looked at, and applied. When it is looked at again, its command answers.
    assert all_at_once.modules.count((name, "host")) == 2
    assert "mitigations=auto" in inside(name).file("/proc/cmdline").content_string


def test_what_is_broken_says_so(all_at_once: Played) -> None:
    assert set(BROKEN) == {"menu-fails", "does-not-come-back", "short-of-pages"}
    assert "out of order" in all_at_once.failures["menu-fails"]
    assert "every file is as it was" in all_at_once.failures["menu-fails"]
    assert "It did not come back within" in all_at_once.failures["does-not-come-back"]
    assert "Rebooted, but the configuration is not active" in all_at_once.failures["short-of-pages"]
    assert "hugepages 1G" in all_at_once.failures["short-of-pages"]
    assert all_at_once.failures["out-of-reach"].startswith("unreachable: ")


def test_the_summary_counts_them(all_at_once: Played) -> None:
    lines = all_at_once.printed("Report the state of each request")
    counts = (
        f"{len(AWAY)} unreachable, {len(REFUSED)} refused, {len(BROKEN)} failed, {len(PROVISIONED)} staged, "
        f"{len(FINE)} active"
    )
    assert len(MACHINES) >= 20
    assert lines[-1] == f"{len(MACHINES) + len(AWAY)} hosts: {counts}"
    for name in PROVISIONED:
        assert f"{name}: configured and staged; reboot to activate" in lines


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("all_at_once")
def test_no_file_of_a_refused_machine_is_touched(name: str) -> None:
    assert unlike_before(name) == ""


def test_verify_tells_scripts_that_it_is_not_active_yet() -> None:
    played = play("verify", workstation_hosts="provisioned")
    assert played.status == 2
    assert played.failures == dict.fromkeys(PROVISIONED, "the requested configuration is not active: staged")
    assert {counts["changed"] for counts in played.recap.values()} == {0}


def test_the_next_run_goes_on_where_it_can_and_reboots_nobody_for_nothing(all_at_once: Played) -> None:
    assert all_at_once.status == 2
    inside("menu-fails").check_output("rm /etc/grub.d/42_breaks")
    boots = {name: boot_id(name) for name in BACK}
    played = play("provision", workstation_hosts=":".join(BACK))
    assert {name: counts["changed"] for name, counts in played.recap.items()} == {
        **dict.fromkeys((*FINE, "short-of-pages"), 0),
        "menu-fails": 2,
    }
    assert list(played.failures) == ["short-of-pages"]
    assert "a reboot alone will not help: hugepages 1G" in played.failures["short-of-pages"]
    assert {name for name, boot in boots.items() if boot_id(name) != boot} == {"menu-fails"}


def boot_id(name: str) -> str:
    return str(inside(name).file("/proc/sys/kernel/random/boot_id").content_string)
