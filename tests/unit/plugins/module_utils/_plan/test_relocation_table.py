# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in relocation.py, line by line: by which case a recorded function is located, or why it is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import PciFunction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import Identity
from ansible_collections.vfio.workstation.plugins.module_utils._plan import relocation
from ansible_collections.vfio.workstation.plugins.module_utils._plan.relocation import (
    AMBIGUOUS,
    MISSING,
    ONLY_CANDIDATE,
    REPLACED,
    SAME_BRIDGE,
    SAME_PLACE,
    SAME_SERIAL,
    Location,
    locate,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.select import identity_of
from ansible_collections.vfio.workstation.tests.machines.values import function, machine

ONE, OTHER = "00-11-22-ff-ff-33-44-55", "00-11-22-ff-ff-33-44-66"
#: Where the recorded GPU was: its address and the bridge above it; and its twin likewise.
GPU_AT, BRIDGE = "0000:41:00.0", "0000:00:03.1"
TWIN_AT, TWIN_BRIDGE = "0000:01:00.0", "0000:00:01.1"
NEW_BRIDGE = "0000:00:05.1"


def gpu(parent: str | None, serial: str | None = None) -> PciFunction:
    return function("10de:2684:1043:88e2", "030000", "nvidia", None, parent=parent, serial_number=serial)


def known(parent: str | None, serial: str | None = None) -> Identity:
    return identity_of(gpu(parent, serial))


def virtual(of: str, parent: str | None = None) -> PciFunction:
    return gpu(parent)._replace(physical_function=of)


NIC = function("10ec:8125", "020000", "r8169", None)
PORT_BRIDGE = function("1022:14db", "060400", "pcieport", None)
KNOWN_TWIN = {(TWIN_AT, known(TWIN_BRIDGE))}


class Case(NamedTuple):
    """A line of the table, or a detail of one; the recorded function was at GPU_AT."""

    present: Mapping[str, PciFunction]
    recorded: Identity
    others: set[tuple[str, Identity]]
    outcome: str
    addresses: tuple[str, ...]


LOCATIONS = {
    "serial number in another slot": Case(
        {"0000:61:00.0": gpu(NEW_BRIDGE, ONE)}, known(BRIDGE, ONE), set(), SAME_SERIAL, ("0000:61:00.0",)
    ),
    "serial number, though another without one is at the recorded place": Case(
        {GPU_AT: gpu(BRIDGE), "0000:61:00.0": gpu(NEW_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        set(),
        SAME_SERIAL,
        ("0000:61:00.0",),
    ),
    "serial number at the place of the twin": Case(
        {GPU_AT: gpu(BRIDGE, OTHER), TWIN_AT: gpu(TWIN_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        {(TWIN_AT, known(TWIN_BRIDGE, OTHER))},
        SAME_SERIAL,
        (TWIN_AT,),
    ),
    "serial number of two functions, one with the recorded function number": Case(
        {"0000:61:00.0": gpu(NEW_BRIDGE, ONE), "0000:61:00.1": gpu(NEW_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        set(),
        SAME_SERIAL,
        ("0000:61:00.0",),
    ),
    "serial number of a card with two selected functions": Case(
        {"0000:61:00.0": gpu(NEW_BRIDGE, ONE), "0000:61:00.1": gpu(NEW_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        {("0000:41:00.1", known(BRIDGE, ONE))},
        SAME_SERIAL,
        ("0000:61:00.0",),
    ),
    "serial number of another function number alone": Case(
        {"0000:61:00.1": gpu(NEW_BRIDGE, ONE)}, known(BRIDGE, ONE), set(), SAME_SERIAL, ("0000:61:00.1",)
    ),
    "serial number of two other function numbers": Case(
        {"0000:61:00.1": gpu(NEW_BRIDGE, ONE), "0000:61:00.2": gpu(NEW_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        set(),
        AMBIGUOUS,
        ("0000:61:00.1", "0000:61:00.2"),
    ),
    "serial number in two slots tells nothing: the place does": Case(
        {GPU_AT: gpu(BRIDGE, ONE), "0000:61:00.0": gpu(NEW_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        set(),
        SAME_PLACE,
        (GPU_AT,),
    ),
    "serial number of another card too tells nothing: the place does": Case(
        {GPU_AT: gpu(BRIDGE), TWIN_AT: gpu(TWIN_BRIDGE, ONE)},
        known(BRIDGE, ONE),
        {(TWIN_AT, known(TWIN_BRIDGE, ONE))},
        SAME_PLACE,
        (GPU_AT,),
    ),
    "suspended at the recorded place": Case({GPU_AT: gpu(BRIDGE)}, known(BRIDGE, ONE), set(), SAME_PLACE, (GPU_AT,)),
    "serial number first seen at the recorded place": Case(
        {GPU_AT: gpu(BRIDGE, ONE)}, known(BRIDGE), set(), SAME_PLACE, (GPU_AT,)
    ),
    "recorded place on a root bus": Case({GPU_AT: gpu(None)}, known(None), set(), SAME_PLACE, (GPU_AT,)),
    "recorded place, and another below the same bridge": Case(
        {GPU_AT: gpu(BRIDGE), "0000:42:00.0": gpu(BRIDGE)}, known(BRIDGE), set(), SAME_PLACE, (GPU_AT,)
    ),
    "recorded bridge, with another address": Case(
        {"0000:42:00.0": gpu(BRIDGE), "0000:61:00.0": gpu(NEW_BRIDGE)},
        known(BRIDGE),
        set(),
        SAME_BRIDGE,
        ("0000:42:00.0",),
    ),
    "recorded bridge, while the twin has the recorded address": Case(
        {GPU_AT: gpu(TWIN_BRIDGE), "0000:42:00.0": gpu(BRIDGE)},
        known(BRIDGE),
        KNOWN_TWIN,
        SAME_BRIDGE,
        ("0000:42:00.0",),
    ),
    "recorded bridge, alone": Case({"0000:42:00.0": gpu(BRIDGE)}, known(BRIDGE), set(), SAME_BRIDGE, ("0000:42:00.0",)),
    "two below the recorded bridge": Case(
        {"0000:42:00.0": gpu(BRIDGE), "0000:43:00.0": gpu(BRIDGE)},
        known(BRIDGE),
        set(),
        AMBIGUOUS,
        ("0000:42:00.0", "0000:43:00.0"),
    ),
    "two below the recorded bridge, and one elsewhere": Case(
        {"0000:42:00.0": gpu(BRIDGE), "0000:43:00.0": gpu(BRIDGE), "0000:61:00.0": gpu(NEW_BRIDGE)},
        known(BRIDGE),
        set(),
        AMBIGUOUS,
        ("0000:42:00.0", "0000:43:00.0", "0000:61:00.0"),
    ),
    "another bridge, while the twin is at its place": Case(
        {TWIN_AT: gpu(TWIN_BRIDGE), "0000:61:00.0": gpu(NEW_BRIDGE)},
        known(BRIDGE),
        KNOWN_TWIN,
        ONLY_CANDIDATE,
        ("0000:61:00.0",),
    ),
    "another bridge, while the twin is below its bridge": Case(
        {"0000:02:00.0": gpu(TWIN_BRIDGE), "0000:61:00.0": gpu(NEW_BRIDGE)},
        known(BRIDGE),
        KNOWN_TWIN,
        ONLY_CANDIDATE,
        ("0000:61:00.0",),
    ),
    "the former bridge of a device with other ids": Case(
        {"0000:61:00.0": gpu(NEW_BRIDGE)},
        known(BRIDGE),
        {("0000:51:00.0", identity_of(NIC._replace(parent=NEW_BRIDGE)))},
        ONLY_CANDIDATE,
        ("0000:61:00.0",),
    ),
    "another place on a root bus, while the twin is at its place there": Case(
        {TWIN_AT: gpu(None), "0000:61:00.0": gpu(None)},
        known(None),
        {(TWIN_AT, known(None))},
        ONLY_CANDIDATE,
        ("0000:61:00.0",),
    ),
    "recorded address below another bridge, alone": Case(
        {GPU_AT: gpu(NEW_BRIDGE)}, known(BRIDGE), set(), ONLY_CANDIDATE, (GPU_AT,)
    ),
    "two at new places": Case(
        {"0000:61:00.0": gpu(NEW_BRIDGE), "0000:71:00.0": gpu("0000:00:06.1")},
        known(BRIDGE),
        KNOWN_TWIN,
        AMBIGUOUS,
        ("0000:61:00.0", "0000:71:00.0"),
    ),
    "another device at the recorded address": Case({GPU_AT: NIC}, known(BRIDGE), set(), REPLACED, ()),
    "a bridge at the recorded address": Case({GPU_AT: PORT_BRIDGE}, known(BRIDGE), set(), REPLACED, ()),
    "another serial number at the recorded place": Case(
        {GPU_AT: gpu(BRIDGE, OTHER)}, known(BRIDGE, ONE), set(), REPLACED, ()
    ),
    "the twin's serial number at the recorded place": Case(
        {GPU_AT: gpu(BRIDGE, OTHER)}, known(BRIDGE), {(TWIN_AT, known(TWIN_BRIDGE, OTHER))}, REPLACED, ()
    ),
    "the twin at the recorded address, below its own bridge": Case(
        {GPU_AT: gpu(TWIN_BRIDGE)}, known(BRIDGE), KNOWN_TWIN, REPLACED, ()
    ),
    "nothing but the twin": Case({TWIN_AT: gpu(TWIN_BRIDGE)}, known(BRIDGE), KNOWN_TWIN, MISSING, ()),
    "a virtual function of the same physical function, with another number": Case(
        {"0000:41:00.1": virtual("0000:40:00.0")}, identity_of(virtual("0000:40:00.0")), set(), MISSING, ()
    ),
    "a virtual function of another physical function": Case(
        {"0000:61:00.1": virtual("0000:60:00.0", NEW_BRIDGE)},
        identity_of(virtual("0000:40:00.0", BRIDGE)),
        set(),
        ONLY_CANDIDATE,
        ("0000:61:00.1",),
    ),
    "a physical function where a virtual one was": Case(
        {GPU_AT: gpu(None)}, identity_of(virtual("0000:40:00.0")), set(), REPLACED, ()
    ),
    "a virtual function where a physical one was": Case(
        {GPU_AT: virtual("0000:40:00.0", BRIDGE)}, known(BRIDGE), set(), REPLACED, ()
    ),
    "nothing at all": Case({}, known(BRIDGE), set(), MISSING, ()),
}


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_recorded_function_is_located_by_the_first_case_that_applies(name: str) -> None:
    case = LOCATIONS[name]
    location = locate(machine(case.present), GPU_AT, case.recorded, case.others)
    assert location == Location(case.outcome, case.addresses)


def test_every_case_of_the_documented_table_is_tested() -> None:
    documented = re.findall(r"^  ([A-Z_]{5,})  ", relocation.__doc__ or "", re.MULTILINE)
    assert {getattr(relocation, name) for name in documented} == {case.outcome for case in LOCATIONS.values()}
    assert len(documented) == len(set(documented)) == 7
