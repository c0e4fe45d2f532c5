# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and media."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import DiskRequest, GuestRequest, Mark
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import parse_xml, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.disks import (
    boot_settings,
    disk_refusals,
    disk_settings,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.existing import Existing
from ansible_collections.vfio.workstation.tests.guests.hosts import DISK, MEDIUM, host_of
from ansible_collections.vfio.workstation.tests.machines.values import machine

FILES = host_of(machine()).files


@pytest.mark.parametrize(
    ("disk", "kind", "source", "form"),
    [
        (DiskRequest(DISK), "file", f"file='{DISK}'", "qcow2"),
        (DiskRequest(DISK, "raw"), "file", f"file='{DISK}'", "raw"),
        (DiskRequest("/dev/vg/guest"), "block", "dev='/dev/vg/guest'", "raw"),
    ],
)
def test_the_disk(disk: DiskRequest, kind: str, source: str, form: str) -> None:
    (setting,) = disk_settings(GuestRequest("g", disk=disk), FILES)
    text = render(setting.element)
    assert f"<disk type='{kind}' device='disk'>" in text
    assert f"<driver name='qemu' type='{form}' cache='none' io='native' discard='unmap' iothread='1'/>" in text
    assert f"<source {source}/>" in text


def test_media() -> None:
    media = disk_settings(GuestRequest("g", isos=(MEDIUM, "/srv/virtio-win.iso")), FILES)
    texts = [render(setting.element) for setting in media]
    assert ["<target dev='sda' bus='sata'/>" in text for text in texts] == [True, False]
    assert all("<readonly/>" in text for text in texts)


def test_the_boot_order() -> None:
    def devices(text: str, mark: Mark | None = None) -> list[str | None]:
        existing = Existing(parse_xml(text), mark) if text else Existing()
        return [setting.element.get("dev") for setting in boot_settings(existing)]

    ours = Mark(created=True, owned=(), ports=())
    assert devices("") == ["hd", "cdrom"]
    assert devices("<domain><os><boot dev='hd'/></os></domain>") == []  # adopted
    assert devices("<domain><os><boot dev='hd'/></os><devices><disk/></devices></domain>", ours) == ["hd", "cdrom"]
    assert devices("<domain><devices><disk><boot order='1'/></disk></devices></domain>", ours) == []


def test_what_does_not_exist() -> None:
    request = GuestRequest("g", disk=DiskRequest("/none.qcow2"), isos=(MEDIUM, "/none.iso"))
    disk, medium = disk_refusals(request, FILES)
    assert disk.code == medium.code == "image_absent"
    assert "Set size" in disk.remedy
    assert "/none.iso" in medium.seen
    assert not list(disk_refusals(GuestRequest("g", disk=DiskRequest("/dev/vg/guest")), FILES))
