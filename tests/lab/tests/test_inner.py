# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inner guest's log becomes a report, or a failure that shows its end."""

from __future__ import annotations

import pytest

from tests.lab import LabError, inner

LOG = """\
[    1.0] something
inner-guest: {"kind": "pci", "address": "0000:01:00.0", "vendor": "8086", "device": "10d3", \
"class": "020000", "driver": "e1000e"}
inner-guest: {"kind": "nic", "address": "0000:01:00.0", "driver": "e1000e", "mac": "52:54:00:01:02:03", "state": "up"}
inner-guest: {"kind": "nvme", "address": "0000:02:00.0", "driver": "nvme", "marker": "a marker"}
"""


def test_a_whole_log_is_a_report() -> None:
    report = inner.parse(LOG + 'inner-guest: {"kind": "end"}\n')
    assert report.functions[0].pci_class == "020000"
    assert report.nics[0].mac == "52:54:00:01:02:03"
    assert report.disks[0].marker == "a marker"


def test_a_log_without_its_end_is_a_failure() -> None:
    with pytest.raises(LabError, match=r"did not end by itself \(status 124\)(.|\n)*a marker"):
        inner.parse(LOG, 124)
