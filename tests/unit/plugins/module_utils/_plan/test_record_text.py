# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every record is JSON with a format, and any other text has a message."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot import cmdline_record
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import parse_host_record
from ansible_collections.vfio.workstation.plugins.module_utils._plan.record_text import DamagedRecord, record_values
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_record import parse_requests

DAMAGED = {
    "": "not JSON",
    '{"format": 1': "not JSON",
    "[" * 100_000: "not JSON",
    "[1]": 'no "format": 1',
    "{}": 'no "format": 1',
    '{"format": 2}': 'no "format": 1',
}


def test_values() -> None:
    assert record_values('{"format": 3, "a": 1}', 3) == {"format": 3, "a": 1}


@pytest.mark.parametrize("parse", [cmdline_record.parse, parse_host_record, parse_requests])
@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:12])
def test_damaged_records(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(DamagedRecord, match=DAMAGED[text]):
        parse(text)
