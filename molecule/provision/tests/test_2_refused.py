# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that are refused, each for its reasons, in one run with others that are provisioned already."""

from __future__ import annotations

import re

import pytest

from tests.containers.provisioned import MACHINES, PROVISIONED, REFUSED, Played, play, unlike_before


def in_the_way(lines: list[str]) -> dict[str, list[str]]:
    """Return the codes that a table of refusals has for each machine, and insist that each is explained."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        if not line.startswith(" "):
            names = line.rstrip(":").split(", ")
        code = re.match(r"  \[(\w+)\] ", line)
        for name in names if code else ():
            found.setdefault(name, []).append(code.group(1) if code else "")
    explained = [
        sum(line.startswith(f"    {words}: ") for line in lines) for words in ("Why this matters", "What to do")
    ]
    assert explained == [sum(line.startswith("  [") for line in lines)] * 2
    return found


def test_all_reasons_of_all_machines_are_in_one_table(all_at_once: Played) -> None:
    codes = in_the_way(all_at_once.printed("Print what stands in the way"))
    assert {name: sorted({*of_name}) for name, of_name in codes.items()} == {
        name: MACHINES[name]["refused_for"] for name in REFUSED
    }


def test_each_fails_with_its_codes_and_stops_no_other(all_at_once: Played) -> None:
    assert all_at_once.status == 2
    assert sorted(all_at_once.failures) == sorted(REFUSED)
    for name, message in all_at_once.failures.items():
        words = "refused, and nothing was changed: "
        assert message.startswith(words)
        assert sorted(message.removeprefix(words).split(", ")) == MACHINES[name]["refused_for"]
    for name, counts in all_at_once.recap.items():
        assert (counts["failed"], counts["changed"], counts["unreachable"]) == (int(name in REFUSED), 0, 0)


def test_a_run_with_nothing_to_do_is_one_round_trip_for_each_machine(all_at_once: Played) -> None:
    assert sorted(all_at_once.modules) == sorted((name, "host") for name in MACHINES)


def test_the_closing_table_counts_them(all_at_once: Played) -> None:
    lines = all_at_once.printed("Print what was asked for, and how far it has come")
    assert lines[-1] == f"{len(MACHINES)} machines: {len(REFUSED)} refused, {len(PROVISIONED)} staged"
    for name in PROVISIONED:
        assert f"{name}: in place; a reboot makes it active" in lines


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("all_at_once")
def test_no_file_of_a_refused_machine_is_touched(name: str) -> None:
    assert unlike_before(name) == ""


def test_verify_tells_scripts_that_it_is_not_active_yet() -> None:
    played = play("verify", workstation_hosts="provisioned")
    assert played.status == 2
    assert played.failures == dict.fromkeys(PROVISIONED, "not what is asked for: staged")
    assert {counts["changed"] for counts in played.recap.values()} == {0}
