# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of an installation: states, media, refusals, and what must not be lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    WINDOWS11,
    DiskRequest,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import GuestReport, InstallRequest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.install import (
    FINISHED,
    NONE,
    PREPARED,
    RUNNING,
    TOOLS,
    answer_medium,
    during_install,
    holds,
    install_state,
    make_medium,
    marker_of,
    media,
    medium_path,
    read_marker,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.install_refusals import (
    disk_refusals,
    medium_refusals,
)
from ansible_collections.vfio.workstation.tests.guests.install import LINUX, WINDOWS

DISK = "/var/lib/libvirt/images/windows.qcow2"
GUEST = GuestRequest("windows", os=WINDOWS11, devices=("gpu",), disk=DiskRequest(DISK))
PATHS = {TOOLS[0]: "file", WINDOWS.iso: "file", WINDOWS.drivers: "file", DISK: "file"}
DONE, NOT_DONE = GuestReport(finished=True), GuestReport(finished=False)


@pytest.mark.parametrize(
    ("request_", "has_domain", "has_medium", "report", "state"),
    [
        (None, False, False, None, NONE),
        (None, True, False, DONE, NONE),
        (None, True, True, None, FINISHED),
        (WINDOWS, False, False, None, PREPARED),
        (WINDOWS, False, True, None, PREPARED),
        (WINDOWS, True, True, None, RUNNING),
        (WINDOWS, True, True, NOT_DONE, RUNNING),
        (WINDOWS, True, True, DONE, FINISHED),
        (WINDOWS, True, False, None, NONE),
        (WINDOWS, True, False, DONE, NONE),
    ],
)
def test_states(
    request_: InstallRequest | None, has_domain: bool, has_medium: bool, report: GuestReport | None, state: str
) -> None:
    assert install_state(request_, has_domain=has_domain, has_medium=has_medium, report=report) == state


def refusals(guest: GuestRequest = GUEST, install: InstallRequest = WINDOWS, **facts: Any) -> dict[str, str]:
    known = {"storage": frozenset(), "is_blank": True, **facts}
    found = (*medium_refusals(guest, install, PATHS), *disk_refusals(guest, install, **known))
    return {refusal.code: refusal.seen for refusal in found}


def test_an_empty_disk_is_used_without_a_question() -> None:
    assert refusals() == {}
    assert refusals(install=LINUX) == {}


def test_missing_media_are_all_named() -> None:
    assert [refusal.seen for refusal in medium_refusals(GUEST, WINDOWS, {})] == [
        "windows: this host has none of /usr/bin/xorriso, /usr/bin/genisoimage, /usr/bin/mkisofs",
        "windows: install.iso: /srv/iso/windows.iso does not exist on this host",
        "windows: install.drivers: /srv/iso/virtio-win.iso does not exist on this host",
    ]


@pytest.mark.parametrize(("is_blank", "state"), [(False, "has content"), (None, "has content that is not known")])
def test_content_is_not_erased_unless_the_disk_is_named(is_blank: bool | None, state: str) -> None:
    assert refusals(is_blank=is_blank) == {"disk_not_empty": f"windows: {DISK} {state}"}
    assert refusals(install=WINDOWS._replace(disk=DISK), is_blank=is_blank) == {}


def test_the_content_of_a_device_is_not_known() -> None:
    guest = GUEST._replace(disk=None, devices=("gpu", "nvme"))
    storage = frozenset({"nvme"})
    assert refusals(guest, storage=storage) == {"disk_not_empty": "windows: the content of nvme is not known"}
    assert refusals(guest, WINDOWS._replace(disk="nvme"), storage=storage) == {}


def test_one_of_several_disks_must_be_named() -> None:
    guest = GUEST._replace(devices=("gpu", "nvme", "sata"))
    storage = frozenset({"nvme", "sata"})
    assert refusals(guest, storage=storage) == {"several_disks": f"windows: the guest has {DISK}, nvme, sata"}
    for disk in (DISK, "nvme", "sata"):
        assert refusals(guest, WINDOWS._replace(disk=disk), storage=storage) == {}
    other = WINDOWS._replace(disk="gpu")
    seen = f"windows: install.disk is gpu, and the guest has {DISK}, nvme, sata"
    assert refusals(guest, other, storage=storage) == {"install_disk_absent": seen}


def test_without_a_disk_there_is_nothing_to_install_on() -> None:
    guest = GUEST._replace(disk=None)
    assert refusals(guest) == {"install_disk_absent": "windows: the guest has no disk"}
    assert "install_disk_absent" in refusals(guest, LINUX)


def test_setup_sees_the_named_disk_alone() -> None:
    guest = GUEST._replace(devices=("gpu", "nvme", "sata"))
    storage = frozenset({"nvme", "sata"})
    on_image = during_install(guest, WINDOWS._replace(disk=DISK), storage)
    assert (on_image.disk, on_image.devices) == (guest.disk, ("gpu",))
    on_device = during_install(guest, WINDOWS._replace(disk="nvme"), storage)
    assert (on_device.disk, on_device.devices) == (None, ("gpu", "nvme"))
    assert during_install(guest, LINUX, storage) == guest


@given(st.sets(st.sampled_from(["nvme", "sata", "raid"])), st.booleans(), st.sampled_from([None, DISK, "nvme", "sata"]))
def test_setup_never_sees_a_second_disk(names: set[str], with_image: bool, disk: str | None) -> None:
    storage = frozenset({"nvme", "sata", "raid"})
    guest = GUEST._replace(devices=("gpu", *sorted(names)), disk=GUEST.disk if with_image else None)
    install = WINDOWS._replace(disk=disk)
    if not refusals(guest, install, storage=storage):
        seen = during_install(guest, install, storage)
        assert len(storage.intersection(seen.devices)) + (seen.disk is not None) == 1


def test_the_medium_of_windows_is_booted_before_the_others() -> None:
    assert media("windows", WINDOWS) == (WINDOWS.iso, WINDOWS.drivers, medium_path("windows"))
    assert media("linux", LINUX) == (medium_path("linux"),)


def test_the_first_program_that_exists_makes_the_medium() -> None:
    content = answer_medium(GUEST, WINDOWS)
    for program, start in (
        ("xorriso", ("-as", "mkisofs", "-quiet")),
        ("genisoimage", ("-quiet",)),
        ("mkisofs", ("-quiet",)),
    ):
        step = make_medium("windows", content, {f"/usr/bin/{program}": "file"})
        assert step is not None
        position = step.argv.index(f"/usr/bin/{program}") + 1
        assert step.argv[position : position + len(start)] == start
    assert make_medium("windows", content, {}) is None


def test_a_medium_is_recognized_by_its_content() -> None:
    content = answer_medium(GUEST, WINDOWS)
    medium = b"\0" * 2048 + b"\0".join(text.encode() for _path, text in content.files)
    assert holds(medium, content)
    assert not holds(medium, answer_medium(GUEST, WINDOWS._replace(locale="fr-FR")))
    assert not holds(b"", content)


def test_windows_reports_what_failed() -> None:
    report = json.dumps({"guest_agent": "", "drivers": "", "ssh": "no network"})
    assert read_marker(WINDOWS, report) == GuestReport(True, ("ssh: no network",))
    assert read_marker(WINDOWS, None) == NOT_DONE
    for damaged in ("", "[]", "{"):
        assert read_marker(WINDOWS, damaged) == GuestReport(True, ("the report of the installation can't be read",))


def test_linux_reports_when_it_is_finished() -> None:
    # As cloud-init 22.4 of Debian 12 writes it.
    result = {"v1": {"datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]", "errors": []}}
    assert read_marker(LINUX, None) == NOT_DONE
    assert read_marker(LINUX, json.dumps(result)) == DONE
    failed = {"v1": {**result["v1"], "errors": ["packages: no network"]}}
    assert read_marker(LINUX, json.dumps(failed)) == GuestReport(True, ("packages: no network",))


def test_without_the_answers_linux_is_not_finished() -> None:
    result = {"v1": {"datasource": "DataSourceNone", "errors": []}}
    text = "cloud-init did not find the medium with the answers: it used DataSourceNone"
    assert read_marker(LINUX, json.dumps(result)) == GuestReport(False, (text,))
    for damaged in ("", "{", "[]", '{"v1": 1}', '{"v1": {"datasource": "x", "errors": null}}'):
        assert not read_marker(LINUX, damaged).finished


def test_each_system_has_a_marker_of_its_own() -> None:
    assert marker_of(LINUX).startswith("/var/lib/cloud/")
    assert marker_of(WINDOWS).startswith("C:\\")
