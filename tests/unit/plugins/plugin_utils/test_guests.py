# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of workstation_guests, and the rows that they become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.guest_spec import GUEST
from ansible_collections.vfio.workstation.plugins.plugin_utils._guests import (
    guest_mistakes,
    guest_options,
    guest_row,
    waiting_rows,
)

LINUX: dict[str, Any] = {"name": "build", "os": "linux"}
WINDOWS: dict[str, Any] = {"name": "windows", "os": "windows11", "devices": ["gpu", "usb"]}
REFUSED = {"failed": True, "refusals": [{"code": "a"}, {"code": "b"}, {"code": "a"}], "msg": "Refused", "running": True}
DEVICES = [{"name": "gpu"}, {"name": "usb"}]


@pytest.mark.parametrize(
    ("guests", "start"),
    [
        ({"name": "a"}, "workstation_guests: found dict, expected a list of guests."),
        ([LINUX, "secret"], "workstation_guests[1]: found str, expected a mapping of name, os,"),
        ([{"os": "linux"}], "workstation_guests[0].name: found None, expected a name of letters"),
        ([{"name": "a"}], "workstation_guests[0].os: found None, expected one of linux,"),
        ([{**LINUX, "memory": 8}], "workstation_guests[0].memory: found 8, expected a size"),
        ([{**LINUX, "disk": {"path": "a"}}], "workstation_guests[0].disk.path: found 'a'"),
        ([{**LINUX, 7: 1}], "workstation_guests[0].7: found 1, expected one of the keys"),
        ([LINUX, LINUX], "workstation_guests[1].name: found 'build', expected another name than workstation_guests[0]"),
        ([{**LINUX, "devices": ["sound"]}], "workstation_guests[0].devices[0]: found 'sound', expected a name from"),
    ],
)
def test_a_mistake(guests: Any, start: str) -> None:
    (mistake,) = guest_mistakes(guests, "present", DEVICES)
    assert mistake.startswith(start)


@pytest.mark.parametrize("guests", [None, [], [LINUX, WINDOWS], ({**WINDOWS, "state": "absent"},)])
def test_no_mistake(guests: Any) -> None:
    assert guest_mistakes(guests, "present", DEVICES) == []


@pytest.mark.parametrize("devices", [None, "gpu", [3], [{"select": {}}]])
def test_devices_that_are_unmanaged_or_mistaken_say_nothing_about_names(devices: Any) -> None:
    assert guest_mistakes([WINDOWS], "present", devices) == []


@pytest.mark.parametrize("option", GUEST)
def test_every_option_of_the_module_is_one_of_an_entry(option: str) -> None:
    """Options that the module gets later come along by themselves."""
    assert not any("expected one of the keys" in text for text in guest_mistakes([{**LINUX, option: None}], "present"))
    assert guest_options({**LINUX, option: 1}, "present")[option] == 1


def test_only_the_identity_matters_for_a_removal() -> None:
    entry = {**LINUX, "uri": "qemu:///session", "memory": 3, "install": {"password": "x"}}
    assert guest_options(entry, "absent") == {"name": "build", "uri": "qemu:///session", "state": "absent"}
    assert guest_mistakes([entry], "absent") == []


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part))
)
def test_no_value_raises(value: Any) -> None:
    for guests in (value, [value], [{"name": value, "devices": value, "install": value}]):
        assert all(isinstance(mistake, str) for mistake in guest_mistakes(guests, "present", value))


@pytest.mark.parametrize(
    ("state", "answer", "check", "now", "states"),
    [
        ("present", {"uuid": "u", "changed": True}, False, "defined; off", (True, True, False)),
        ("present", {"uuid": "u", "running": True}, False, "defined; running", (True, True, False)),
        (
            "present",
            {"uuid": "u", "running": True, "works": {"nic": True, "gpu": True}, "findings": []},
            True,
            "defined; running; gpu, nic work in the guest",
            (True, True, False),
        ),
        (
            "present",
            {"uuid": "u", "running": True, "works": {"gpu": False}, "findings": [{"code": "a"}]},
            True,
            "defined; running; gpu does not work in the guest",
            (True, False, False),
        ),
        (
            "present",
            {"uuid": "u", "running": True, "works": {}, "findings": [{"code": "a"}]},
            True,
            "defined; running; not as planned",
            (True, False, False),
        ),
        (
            "present",
            {"uuid": "u", "running": True, "restart_required": True, "changed": True},
            False,
            "defined; takes effect after a restart of the guest",
            (True, False, False),
        ),
        ("present", {"uuid": None, "changed": True}, True, "not defined", (False, False, True)),
        ("present", {"uuid": "u", "changed": True}, True, "its definition differs", (False, False, True)),
        ("present", {"uuid": "u"}, True, "defined; off", (True, True, False)),
        ("present", REFUSED, True, "refused: a, b", (False, False, False)),
        ("present", {"failed": True, "msg": "no virsh"}, False, "failed", (False, False, False)),
        ("present", {"unreachable": True}, False, "failed", (False, False, False)),
        ("absent", {"uuid": None, "changed": True}, False, "not defined", (True, True, False)),
        ("absent", {"uuid": "u", "changed": True}, True, "defined", (False, False, True)),
        ("absent", {"uuid": "u", "changed": True}, False, "returned as it was", (True, True, False)),
        ("absent", {"uuid": "u"}, False, "not managed", (True, True, False)),
    ],
)
def test_a_row(state: str, answer: dict[str, Any], check: bool, now: str, states: tuple[bool, bool, bool]) -> None:
    row = guest_row(WINDOWS, state, answer, check)
    assert row["now"] == now
    assert (row["configured"], row["active"], row["due"]) == states
    assert row["failed"] == bool(answer.get("failed") or answer.get("unreachable"))
    assert row["requested"] == {"present": "windows11 with gpu, usb", "absent": "removed"}[state]


@pytest.mark.parametrize(
    ("host", "now"),
    [
        ({}, "after the host is configured"),
        ({"reboot_required": True}, "after the reboot"),
        ({"unreadable": [{"path": "/boot"}]}, "unknown without root"),
    ],
)
def test_guests_that_wait(host: dict[str, Any], now: str) -> None:
    (row,) = waiting_rows([LINUX], host, "present")
    assert (row["name"], row["requested"], row["configured"], row["now"]) == ("build", "linux", None, now)
