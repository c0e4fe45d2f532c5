# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canaries and failures that stop the reboots of others."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.plugin_utils._batches import (
    batch_mistakes,
    canary_count,
    failure_limit,
    stop_reason,
)

STATES = {"configured": True, "staged": True, "active": True}
GOOD = {"states": STATES, "requests": [{"section": "iommu", **STATES}], "refusals": []}
STAGED = {**GOOD, "states": {**STATES, "active": False}, "reboot_required": True}
LOST = {**STAGED, "failed": True, "msg": "It did not come back"}


@pytest.mark.parametrize(
    ("value", "hosts", "count"),
    [
        *((None, 9, 0), (1, 9, 1), ("3", 2, 3), ("25%", 8, 2), ("1%", 8, 1), ("100%", 8, 8)),
        *((0, 8, None), ("0%", 8, None), ("101%", 8, None), ("two", 8, None), (-1, 8, None), (True, 8, None)),
    ],
)
def test_numbers_of_canaries(value: Any, hosts: int, count: int | None) -> None:
    assert canary_count(value, hosts) == count


@pytest.mark.parametrize(
    ("value", "limit"), [(None, 100), (0, 0), ("5", 5), ("5%", 5), (101, None), ("a", None), (-1, None)]
)
def test_limits(value: Any, limit: int | None) -> None:
    assert failure_limit(value) == limit


def test_mistakes() -> None:
    assert batch_mistakes({}) == []
    canary, failed = batch_mistakes({"workstation_canary": 0, "workstation_max_fail_percentage": "many"})
    assert canary.startswith("workstation_canary: found 0, expected a number of hosts or a percentage, at least 1.")
    assert failed.startswith("workstation_max_fail_percentage: found 'many', expected a percentage from 0 to 100.")


@pytest.mark.parametrize(
    ("results", "canary", "most_failed", "reason"),
    [
        ({}, 1, 0, ""),
        ({"a": GOOD, "b": STAGED}, 1, None, ""),
        ({"a": LOST, "b": STAGED}, None, None, ""),
        ({"a": LOST, "b": STAGED}, 1, None, "the canary a did not show its configuration after its reboot"),
        ({"a": GOOD, "b": LOST}, 1, None, ""),
        # A canary outside of its window was not rebooted, so that nothing is known about it.
        ({"a": STAGED, "b": STAGED}, 1, None, "the canary a did not show its configuration after its reboot"),
        ({"a": GOOD, "b": LOST, "c": STAGED}, 1, 50, ""),
        (
            {"a": GOOD, "b": LOST, "c": STAGED},
            1,
            49,
            "1 of 2 rebooted hosts failed (b), more than workstation_max_fail_percentage allows (49%)",
        ),
        (
            dict.fromkeys("abcde", LOST),
            None,
            0,
            "5 of 5 rebooted hosts failed (a, b, c and 2 more), more than workstation_max_fail_percentage allows (0%)",
        ),
    ],
)
def test_reasons_to_stop(results: dict[str, Any], canary: Any, most_failed: Any, reason: str) -> None:
    assert stop_reason(results, canary, most_failed) == reason
