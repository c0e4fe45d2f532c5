# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of disks that are created."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    DiskRequest,
    GuestRequest,
    HostFiles,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import DRAFT
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.disk_image import (
    QEMU_IMG,
    image_refusals,
    make_disk,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.disks import disk_refusals

PATH = "/var/lib/libvirt/images/g.qcow2"
GUEST = GuestRequest("g", disk=DiskRequest(PATH, None, 200 << 30))


def files(*paths: str, **changes: Any) -> HostFiles:
    return HostFiles(None, None, dict.fromkeys(paths, "file"), frozenset(), **changes)


def codes(request: GuestRequest, host: HostFiles) -> list[str]:
    return [refusal.code for refusal in disk_refusals(request, host)]


@pytest.mark.parametrize("image_format", [None, "qcow2", "raw"])
def test_a_missing_image_is_created(image_format: str | None) -> None:
    request = GUEST._replace(disk=DiskRequest(PATH, image_format, 512))
    (step,) = make_disk(request, files(QEMU_IMG))
    assert step.path == PATH
    assert step.argv == (QEMU_IMG, "create", "-q", "-f", image_format or "qcow2", DRAFT, "512")
    assert codes(request, files(QEMU_IMG)) == []


def test_an_image_that_exists_is_used_as_it_is() -> None:
    host = files(PATH, room_bytes=0)
    assert make_disk(GUEST, host) == ()
    assert codes(GUEST, host) == []


def test_without_a_size_the_image_must_exist() -> None:
    request = GUEST._replace(disk=DiskRequest(PATH))
    assert make_disk(request, files(QEMU_IMG)) == ()
    assert codes(request, files(QEMU_IMG)) == ["image_absent"]


@pytest.mark.parametrize(("room", "expected"), [((200 << 30) - 1, ["disk_exceeds_space"]), (200 << 30, []), (None, [])])
def test_the_whole_size_must_be_free(room: int | None, expected: list[str]) -> None:
    assert codes(GUEST, files(QEMU_IMG, room_bytes=room)) == expected


def test_the_refusals_name_what_was_found() -> None:
    refusals = list(image_refusals(GUEST, files(room_bytes=3 << 20)))
    assert [(refusal.code, refusal.seen) for refusal in refusals] == [
        ("disk_tool_absent", f"g: {QEMU_IMG} does not exist on this host"),
        ("disk_exceeds_space", f"g: {PATH} is to have 200 GiB, and its file system has 3 MiB free"),
    ]


def test_a_device_that_the_host_uses() -> None:
    host = files("/dev/sda", disk_uses=("mount /", "member of md0"))
    request = GUEST._replace(disk=DiskRequest("/dev/sda"))
    (refusal,) = disk_refusals(request, host)
    assert (refusal.code, refusal.seen) == ("disk_in_use", "g: this host uses /dev/sda: mount /, member of md0")
