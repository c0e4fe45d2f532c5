# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""USB devices of the host that a guest gets."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import GuestRequest, UsbDevice
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.usb import (
    usb_notes,
    usb_refusals,
    usb_settings,
)

CONNECTED = (
    UsbDevice("1-1", "05e3", "0610", True, ()),
    UsbDevice("1-1.2", "046d", "c52b", False, ()),
    UsbDevice("1-2", "0951", "1666", False, ("mount /home",)),
    UsbDevice("2-1", "054c", "0ce6", False, ()),
    UsbDevice("2-2", "054c", "0ce6", False, ()),
)


def guest(*names: str) -> GuestRequest:
    return GuestRequest("g", usb=names)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("046d:c52b", []),
        ("1-1.2", []),
        ("dead:beef", []),  # the guest starts without it
        ("3-1", ["usb_absent"]),
        ("1-1", ["usb_unsupported"]),
        ("05e3:0610", ["usb_unsupported"]),
        ("0951:1666", ["usb_in_use"]),
        ("1-2", ["usb_in_use"]),
        ("054c:0ce6", ["usb_ambiguous"]),
        ("2-1", ["usb_ambiguous"]),
    ],
)
def test_refusals(name: str, expected: list[str]) -> None:
    assert [refusal.code for refusal in usb_refusals(guest(name), CONNECTED)] == expected


def test_the_refusal_names_the_device_and_its_use() -> None:
    (refusal,) = usb_refusals(guest("1-2"), CONNECTED)
    assert refusal.seen == "g: 0951:1666 at the USB port 1-2 is in use: mount /home"


def test_a_device_by_both_names_is_one_element() -> None:
    (setting,) = usb_settings(guest("046d:c52b", "1-1.2"), CONNECTED)
    assert render(setting.element).splitlines() == [
        "<hostdev mode='subsystem' type='usb' managed='no'>",
        "  <source startupPolicy='optional'>",
        "    <vendor id='0x046d'/>",
        "    <product id='0xc52b'/>",
        "  </source>",
        "</hostdev>",
    ]


def test_an_empty_port_is_no_element() -> None:
    assert not list(usb_settings(guest("3-1"), CONNECTED))


def test_notes() -> None:
    assert list(usb_notes(guest("046d:c52b", "1-1.2", "dead:beef"), CONNECTED)) == [
        "the USB port 1-1.2 has 046d:c52b, which the guest gets at any port",
        "the USB device dead:beef is not connected: the guest starts without it",
    ]
