# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the check at boot says, and when it says nothing."""

from __future__ import annotations

import re

from ansible_collections.vfio.workstation.plugins.module_utils._machine.boot_facts import (
    FIRMWARE,
    IOMMU,
    BootCheck,
    Change,
)
from ansible_collections.vfio.workstation.plugins.module_utils._text.boot_check import (
    CHANGED_ID,
    NOT_ACTIVE_ID,
    change_lines,
    journal_entry,
    login_text,
    metrics_text,
)

GOOD = BootCheck("2026-11-29T07:00:00Z", "b", "active", True, "", (), "2026-11-28T07:00:00Z")
CHANGED = GOOD._replace(changes=(Change(FIRMWARE, "firmware: 1 before, 2 now"),))
BAD = GOOD._replace(
    verdict="refused", active=False, reason="refused: \x1b[31mno IOMMU", changes=(Change(IOMMU, "IOMMU: off now"),)
)


def test_nothing_to_say_is_not_said() -> None:
    assert journal_entry(GOOD) == []
    assert login_text(GOOD) == ""
    assert change_lines(GOOD) == []


def test_a_change_that_does_no_harm_is_in_the_journal_only() -> None:
    fields = dict(journal_entry(CHANGED))
    assert fields["MESSAGE_ID"] == CHANGED_ID
    assert fields["PRIORITY"] == "5"
    assert fields["MESSAGE"].splitlines() == [
        "vfio-workstation: everything requested is active",
        "Changed since 2026-11-28T07:00:00Z, when everything was active:",
        "  firmware: 1 before, 2 now",
    ]
    assert login_text(CHANGED) == ""


def test_what_is_not_active_is_said_with_its_cause() -> None:
    fields = dict(journal_entry(BAD))
    assert (fields["MESSAGE_ID"], fields["PRIORITY"], fields["VFIO_WORKSTATION_VERDICT"]) == (
        NOT_ACTIVE_ID,
        "4",
        "refused",
    )
    assert "IOMMU: off now" in fields["MESSAGE"]
    first = login_text(BAD).splitlines()[0]
    assert first == "vfio-workstation: not everything requested is active: refused:  [31mno IOMMU"
    assert login_text(BAD).endswith("See `vfio-workstation status`.\n")
    assert "\x1b" not in login_text(BAD)


def test_the_identifiers_are_what_the_journal_takes() -> None:
    assert CHANGED_ID != NOT_ACTIVE_ID
    assert all(re.fullmatch("[0-9a-f]{32}", identifier) for identifier in (CHANGED_ID, NOT_ACTIVE_ID))
    names = [name for name, _value in journal_entry(BAD)]
    assert all(re.fullmatch("[A-Z][A-Z0-9_]*", name) for name in names)


def test_metrics_are_in_the_format_of_prometheus() -> None:
    lines = metrics_text(BAD, 1795935600).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "vfio_workstation_active 0",
        "vfio_workstation_changes 1",
        "vfio_workstation_check_timestamp_seconds 1795935600",
    ]
    assert all(re.match("# (HELP|TYPE) vfio_workstation_[a-z_]+ .", line) for line in lines if line.startswith("#"))
    assert metrics_text(GOOD, 1).splitlines()[2] == "vfio_workstation_active 1"
