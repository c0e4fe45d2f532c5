# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which known name a misspelt name is taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._plan.nearest import nearest

KNOWN = ("workstation_devices", "workstation_hugepages", "class", "id", "device", "driver")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("workstation_device", "workstation_devices"),
        ("workstation_dveices", "workstation_devices"),
        ("workstaton_devicess", "workstation_devices"),
        ("workstation_hugepage", "workstation_hugepages"),
        ("workstation_devices", "workstation_devices"),
        ("clas", "class"),
        ("devices", "device"),
        ("workstation_devs", None),
        ("workstation_cpus", None),
        ("is", None),
        ("", None),
    ],
)
def test_at_most_two_slips_and_fewer_in_short_names(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant


@given(st.text("abc_", min_size=8, max_size=12), st.data())
def test_any_single_slip_is_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 2))
    slips = {
        "removed": name[:at] + name[at + 1 :],
        "added": name[:at] + "x" + name[at:],
        "wrong": name[:at] + "x" + name[at + 1 :],
        "swapped": name[:at] + name[at + 1] + name[at] + name[at + 2 :],
    }
    assert nearest(slips[data.draw(st.sampled_from(sorted(slips)))], [name]) == name
