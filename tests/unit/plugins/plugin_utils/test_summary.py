# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics of a run."""

from __future__ import annotations

from ansible_collections.vfio.workstation.plugins.plugin_utils._summary import summary

STATES = {"configured": True, "staged": True, "active": True}
ACTIVE = {"states": STATES, "requests": [{"section": "iommu", **STATES}]}
PENDING = {**ACTIVE, "steps": [{"kind": "WriteFile"}]}


def test_hosts_are_counted_worst_first_and_those_that_are_done_are_not_listed() -> None:
    results = {"ws2": {"unreachable": True}, "ws1": {"unreachable": True}, "ws3": ACTIVE, "ws4": PENDING}
    predicted = summary(results, predicted=True)
    assert predicted == {
        "hosts": 4,
        "verdicts": {"unreachable": 2, "pending": 1, "active": 1},
        "unfinished": {"unreachable": ["ws1", "ws2"], "pending": ["ws4"]},
    }
    assert list(predicted["verdicts"]) == ["unreachable", "pending", "active"]
    assert summary(results, predicted=False)["verdicts"] == {"unreachable": 2, "active": 2}
    assert summary({}, predicted=False) == {"hosts": 0, "verdicts": {}, "unfinished": {}}
