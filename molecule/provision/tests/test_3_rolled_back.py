# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines rolled back by the playbook, to the byte; and then refused by what their boot chain holds."""

from __future__ import annotations

import pytest

from tests.containers.provisioned import BACK, MACHINES, PROVISIONED, Played, inside, play, unlike_before

FOREIGN = "/etc/modprobe.d/vfio-workstation-kvm.conf"


@pytest.fixture(name="foretold", scope="module")
def fixture_foretold() -> Played:
    """The rollback in check mode, and what of the files was other than when the machine was made, before and after."""
    before = {name: unlike_before(name) for name in PROVISIONED}
    played = play("rollback", "--check", "--diff", workstation_hosts="provisioned")
    assert {name: unlike_before(name) for name in PROVISIONED} == before
    return played


@pytest.fixture(name="rolled_back", scope="module")
def fixture_rolled_back(foretold: Played) -> Played:
    """The rollback."""
    assert foretold.status == 0
    return play("rollback", workstation_hosts="provisioned")


def test_check_mode_foretells_it(foretold: Played) -> None:
    assert {name: counts["changed"] for name, counts in foretold.recap.items()} == dict.fromkeys(PROVISIONED, 1)
    lines = foretold.printed("Report the state of each request")
    assert lines[-1] == f"{len(PROVISIONED)} hosts: {len(PROVISIONED)} pending"


def test_it_says_that_nothing_is_left(rolled_back: Played) -> None:
    assert rolled_back.status == 0
    assert {name: counts["changed"] for name, counts in rolled_back.recap.items()} == dict.fromkeys(PROVISIONED, 1)
    lines = rolled_back.printed("Report the state of each request")
    assert [line for line in lines if "rolled back; nothing is left" in line] == [
        f"{name}: rolled back; nothing is left" for name in PROVISIONED
    ]


@pytest.mark.usefixtures("rolled_back")
def test_every_file_is_as_it_was_before_the_first_run(machine: str) -> None:
    assert unlike_before(machine) == ""


def test_a_fleet_goes_back_with_its_reboots() -> None:
    played = play("rollback", workstation_hosts=":".join(BACK))
    assert {name: (counts["failed"], counts["changed"]) for name, counts in played.recap.items()} == dict.fromkeys(
        BACK, (0, 2)
    )
    assert {name: unlike_before(name) for name in BACK} == dict.fromkeys(BACK, "")
    assert "mitigations=auto" not in inside("office-1").file("/proc/cmdline").content_string


@pytest.mark.usefixtures("rolled_back")
def test_what_is_in_the_boot_chain_is_refused_by_file_and_line() -> None:
    twins = inside("twin-gpus")
    twins.check_output("echo '# mine' >%s", FOREIGN)
    played = play(
        "provision",
        workstation_hosts="provisioned",
        workstation_arguments=["{{ contradiction }}"],
        workstation_conflicts="refuse",
        workstation_accept=["claimed_by_others"],
    )
    assert sorted(played.failures) == sorted(PROVISIONED)
    table = " ".join(" ".join(played.printed("Report the state of each request")).split())
    for name in PROVISIONED:
        assert played.failures[name].startswith("refused; nothing was changed. ["), name
        assert MACHINES[name]["contradiction"] in table
    assert "[cmdline_conflict] " in table
    assert "/etc/default/grub, line " in table
    assert "[file_is_not_ours]" in table
    assert FOREIGN in table
    assert twins.file(FOREIGN).content_string == "# mine\n"
    twins.check_output("rm %s", FOREIGN)
    assert {name: unlike_before(name) for name in PROVISIONED} == dict.fromkeys(PROVISIONED, "")
