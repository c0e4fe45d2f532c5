# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Displays, input devices and channels."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    NO_DISPLAY,
    SPICE,
    WINDOWS11,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import parse_xml, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.display import (
    channel_settings,
    display_settings,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.existing import Existing
from ansible_collections.vfio.workstation.tests.guests.hosts import CAPABILITIES

NEW, ADOPTED = Existing(), Existing(parse_xml("<domain/>"))


def texts(request: GuestRequest, existing: Existing = NEW, video: frozenset[str] = CAPABILITIES.video) -> list[str]:
    found = display_settings(request, CAPABILITIES._replace(video=video), existing)
    return [render(setting.element).replace("\n", "").replace("  ", "") for setting in found]


@pytest.mark.parametrize(
    ("system", "video", "model"),
    [
        (LINUX, CAPABILITIES.video, "virtio"),
        (LINUX, frozenset({"vga", "bochs"}), "bochs"),
        (WINDOWS11, CAPABILITIES.video, "bochs"),
        (WINDOWS11, frozenset({"vga"}), "vga"),
        (WINDOWS11, frozenset(), "vga"),
    ],
)
def test_adapter(system: str, video: frozenset[str], model: str) -> None:
    assert f"<video><model type='{model}'/></video>" in texts(GuestRequest("g", system), video=video)


def test_a_display_is_for_this_host_alone() -> None:
    listen = "listen='127.0.0.1'><listen type='address' address='127.0.0.1'/></graphics>"
    assert texts(GuestRequest("g"))[0] == f"<graphics type='vnc' autoport='yes' {listen}"
    assert texts(GuestRequest("g", display=SPICE), ADOPTED)[0] == f"<graphics type='spice' autoport='yes' {listen}"


def test_none() -> None:
    assert texts(GuestRequest("g", display=NO_DISPLAY)) == ["<video><model type='none'/></video>"]
    assert texts(GuestRequest("g"), ADOPTED) == []


def test_input_devices() -> None:
    path = "/dev/input/by-id/usb-keyboard-event-kbd"
    assert texts(GuestRequest("g", evdev=(path,)), ADOPTED) == [
        f"<input type='evdev'><source dev='{path}' grab='all' grabToggle='ctrl-ctrl' repeat='on'/></input>"
    ]


def test_channels() -> None:
    assert [setting.element.name for setting in channel_settings()] == ["channel", "rng", "controller"]
