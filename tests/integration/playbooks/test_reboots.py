# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reboots of a fleet: canaries, failures that stop the others, maintenance windows, and the run after that."""

from __future__ import annotations

import datetime

from .conftest import IOMMU, Fleet
from .test_provision import PROVISION, REBOOTS, SUMMARY

NOT_REBOOTED = "not rebooted: the canary ws1 did not show"


def window(hours: int) -> str:
    """A window of two hours that begins so many hours from now."""
    begin = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    end = begin + datetime.timedelta(hours=2)
    return f"{begin:%H:%M}-{end:%H:%M} UTC"


def test_a_canary_that_fails_stops_the_others_and_the_next_run_goes_on(fleet: Fleet) -> None:
    fleet.add("ws1", stubborn=True)
    fleet.add("ws2")
    fleet.add("ws3")
    limits = {"workstation_canary": 1, "workstation_serial": "50%", **REBOOTS}
    run = fleet.run(PROVISION, **limits)
    assert run.status != 0
    assert [fleet.state(name).get("reboots", 0) for name in ("ws1", "ws2", "ws3")] == [1, 0, 0]
    table = run.printed(SUMMARY)
    assert table.count(NOT_REBOOTED) == 2
    assert "\n3 hosts: 1 failed, 2 staged\n" in table
    assert [run.recap[name]["failed"] for name in ("ws2", "ws3")] == [0, 0]

    fleet.change("ws1", stubborn=False)
    again = fleet.run(PROVISION, **limits)
    assert again.status == 0, again.output
    assert [fleet.state(name).get("reboots", 0) for name in ("ws1", "ws2", "ws3")] == [2, 1, 1]
    assert "\n3 hosts: 3 active\n" in again.printed(SUMMARY)


def test_a_host_is_rebooted_in_its_window_only(fleet: Fleet) -> None:
    fleet.add("ws1", {**IOMMU, "workstation_reboot_window": [window(5)]})
    fleet.add("ws2", {**IOMMU, "workstation_reboot_window": [window(5), window(-1)]})
    run = fleet.run(PROVISION, workstation_max_fail_percentage=0, **REBOOTS)
    assert run.status == 0, run.output
    assert [fleet.state(name).get("reboots", 0) for name in ("ws1", "ws2")] == [0, 1]
    assert "not rebooted: outside of its maintenance window" in run.printed(SUMMARY)


def test_mistakes_in_limits_are_found_before_anything_happens(fleet: Fleet) -> None:
    fleet.add("ws1", {**IOMMU, "workstation_reboot_window": "at night"})
    run = fleet.run(PROVISION, workstation_canary="two", workstation_max_fail_percentage=200, **REBOOTS)
    assert run.status != 0
    assert "Traceback" not in run.output
    table = " ".join(run.printed(SUMMARY).split())
    for name in ("workstation_canary", "workstation_max_fail_percentage", "workstation_reboot_window"):
        assert f"{name}: found" in table
    assert fleet.state("ws1") == {"files": False, "running": False}
