# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that are installed, with the real libvirt and the real xorriso, on a described machine."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ApplyFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.virsh import Virsh
from ansible_collections.vfio.workstation.plugins.module_utils._engine.guest import GuestRun, Observation, difference
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    WINDOWS11,
    DiskRequest,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import InstallRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HOST_RECORD_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import element, parse_xml
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.install import TOOLS, medium_path
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import render_host_record
from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.hosts import DISK, DOMAIN_TYPE, provisioned
from ansible_collections.vfio.workstation.tests.guests.install import LINUX as CLOUD_IMAGE
from ansible_collections.vfio.workstation.tests.guests.install import WINDOWS

MEDIUM = medium_path("guest")

Start = Callable[..., GuestRun]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The files of a workstation with an empty disk image, the media of Windows, and xorriso."""
    return prepared(tmp_path / "host")


def prepared(root: Path, request: dict[str, Any] | None = None) -> Path:
    record = provisioned("amd-desktop", root, request).record
    paths = {HOST_RECORD_FILE: render_host_record(record), WINDOWS.iso: "", WINDOWS.drivers: "", TOOLS[0]: ""}
    for path, content in paths.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_text(content)
    (root / DISK[1:]).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", root / DISK[1:], "64G"], check=True)
    return root


@pytest.fixture
def start(host: Path, libvirt: Libvirt) -> Start:
    """A function that returns a run for a guest."""

    def run(install: InstallRequest | None, *, absent: bool = False, **options: Any) -> GuestRun:
        system = options.pop("system", LINUX if install is CLOUD_IMAGE else WINDOWS11)
        usual = {"devices": ("gpu",), "disk": DiskRequest(DISK), "network": "none", "domain_type": DOMAIN_TYPE}
        request = GuestRequest("guest", system, install=install, **{**usual, **options})
        return GuestRun(request, absent, Virsh(libvirt.uri), str(host))

    return run


def done(run: GuestRun) -> Observation:
    """Carry out what is due; something must be."""
    observation = run.observe()
    assert observation.refusals == ()
    assert observation.is_due
    return run.apply(observation)


def drives(libvirt: Libvirt) -> list[str | None]:
    """Return the media of the guest."""
    definition = parse_xml(libvirt.definition("guest"))
    sources = (disk.first("source") for disk in definition.all("devices", "disk") if disk.get("device") == "cdrom")
    return [source.get("file") if source else None for source in sources]


def start_paused(libvirt: Libvirt, tmp_path: Path) -> None:
    """Put a domain that runs in the place of the guest: what is planned for a GPU can't run here."""
    libvirt.virsh("undefine", "--nvram", "--keep-tpm", "guest")
    definition = (
        "<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>"
    )
    libvirt.define(tmp_path / "running.xml", definition)
    libvirt.virsh("start", "--paused", "guest")


def test_a_guest_is_defined_with_its_media_once(start: Start, libvirt: Libvirt, host: Path) -> None:
    planned = start(WINDOWS).observe()
    assert planned.is_due
    assert not (host / MEDIUM[1:]).exists()
    last = start(WINDOWS).apply(planned)
    assert not last.is_due
    assert drives(libvirt) == [WINDOWS.iso, WINDOWS.drivers, MEDIUM]
    assert stat.S_IMODE((host / MEDIUM[1:]).stat().st_mode) == 0o600
    content, inode = (host / MEDIUM[1:]).read_bytes(), (host / MEDIUM[1:]).stat().st_ino
    assert not start(WINDOWS).observe().is_due
    assert ((host / MEDIUM[1:]).read_bytes(), (host / MEDIUM[1:]).stat().st_ino) == (content, inode)


def test_the_answers_for_linux_are_on_a_disk_that_every_image_has_a_driver_for(start: Start, libvirt: Libvirt) -> None:
    done(start(CLOUD_IMAGE, isos=(WINDOWS.drivers,)))
    assert drives(libvirt) == [WINDOWS.drivers]
    (seed,) = (disk for disk in parse_xml(libvirt.definition("guest")).all("devices", "disk") if MEDIUM in repr(disk))
    assert (seed.get("device"), seed.first("readonly")) == ("disk", element("readonly"))
    assert seed.first("target") == element("target", dev="vdb", bus="virtio")
    assert not start(CLOUD_IMAGE, isos=(WINDOWS.drivers,)).observe().is_due
    done(start(None, system=LINUX))
    definition = parse_xml(libvirt.definition("guest"))
    assert len(list(definition.all("devices", "disk"))) == 1


def test_the_user_learns_how_to_start_it(start: Start) -> None:
    (windows,) = (note for note in start(WINDOWS).observe().install.notes if "send-key" in note)
    assert windows.startswith("start the guest, and press a key at once")
    (linux,) = start(CLOUD_IMAGE).observe().install.notes
    assert linux == "start the guest with `virsh start guest`: cloud-init configures it"


def test_no_output_has_the_password(start: Start, libvirt: Libvirt) -> None:
    planned = start(WINDOWS).observe()
    password = WINDOWS.password.reveal()
    assert password not in "".join(difference(planned.change))
    assert password not in repr(planned)
    start(WINDOWS).apply(planned)
    assert password not in libvirt.definition("guest")


def test_changed_answers_are_written_to_the_medium(start: Start, host: Path) -> None:
    done(start(WINDOWS))
    changed = WINDOWS._replace(locale="fr-FR")
    observation = start(changed).observe()
    assert (observation.change.is_due, observation.install.is_due) == (False, True)
    last = start(changed).apply(observation)
    assert not last.is_due
    assert b"fr-FR" in (host / MEDIUM[1:]).read_bytes()


def test_a_run_that_stopped_before_it_defined_the_domain_is_continued(start: Start, libvirt: Libvirt) -> None:
    done(start(WINDOWS))
    libvirt.remove_all()
    done(start(WINDOWS))
    assert MEDIUM in drives(libvirt)


def test_without_the_request_the_media_go(start: Start, libvirt: Libvirt, host: Path) -> None:
    done(start(WINDOWS))
    done(start(None))
    assert drives(libvirt) == []
    assert not (host / MEDIUM[1:]).exists()
    assert not start(None).observe().is_due


def test_a_run_that_stopped_before_it_removed_the_medium_is_continued(start: Start, host: Path) -> None:
    done(start(WINDOWS))
    content = (host / MEDIUM[1:]).read_bytes()
    done(start(None))
    (host / MEDIUM[1:]).write_bytes(content)
    done(start(None))
    assert not (host / MEDIUM[1:]).exists()


def test_an_installed_guest_is_never_installed_again(start: Start, libvirt: Libvirt, host: Path) -> None:
    done(start(None))
    definition = libvirt.definition("guest")
    observation = start(WINDOWS).observe()
    assert (observation.refusals, observation.is_due) == ((), False)
    assert libvirt.definition("guest") == definition
    assert not (host / MEDIUM[1:]).exists()


def test_the_medium_goes_with_the_guest(start: Start, libvirt: Libvirt, host: Path) -> None:
    done(start(WINDOWS))
    done(start(WINDOWS, absent=True))
    assert libvirt.virsh("list", "--all", "--name").split() == []
    assert not (host / MEDIUM[1:]).exists()
    assert (host / DISK[1:]).exists()


def test_what_libvirt_refuses_leaves_no_medium(start: Start, libvirt: Libvirt, host: Path) -> None:
    # libvirt refuses the second element because of the first one.
    run = start(WINDOWS, xml=element("domain", element("devices", element("shmem", name="lg")), element("nonsense")))
    with pytest.raises(ApplyFailed, match="failed to validate"):
        run.apply(run.observe())
    assert libvirt.virsh("list", "--all", "--name").split() == []
    assert not (host / MEDIUM[1:]).exists()


def test_a_disk_with_content_is_not_erased(start: Start, host: Path) -> None:
    qemu_io = ["qemu-io", "-f", "qcow2", "-c", "write 1M 64k", host / DISK[1:]]
    subprocess.run(qemu_io, check=True, capture_output=True)
    observation = start(WINDOWS).observe()
    assert [(refusal.code, refusal.seen) for refusal in observation.refusals] == [
        ("disk_not_empty", f"guest: {DISK} has content")
    ]
    assert not observation.is_due
    assert start(WINDOWS._replace(disk=DISK)).observe().is_due
    assert start(CLOUD_IMAGE).observe().is_due


def test_windows_is_installed_on_a_device(tmp_path: Path, libvirt: Libvirt) -> None:
    """On an NVMe disk that the guest owns: the disk image stays out of the guest until Windows is installed."""
    devices = [{"name": "gpu", "select": "0000:01:00.0"}, {"name": "nvme", "select": {"class": "storage"}}]
    root = prepared(tmp_path / "host", {"devices": devices, "cpu_isolation": {}})
    request = GuestRequest(
        "guest",
        WINDOWS11,
        devices=("gpu", "nvme"),
        disk=DiskRequest(DISK),
        network="none",
        domain_type=DOMAIN_TYPE,
        install=WINDOWS._replace(disk="nvme"),
    )
    done(GuestRun(request, False, Virsh(libvirt.uri), str(root)))
    definition = parse_xml(libvirt.definition("guest"))
    assert [disk.get("device") for disk in definition.all("devices", "disk")] == ["cdrom"] * 3
    again = GuestRun(request, False, Virsh(libvirt.uri), str(root)).observe()
    assert not again.is_due
    assert again.install.notes == ("start the guest, and press no key until Windows runs: the installation has begun",)
    done(GuestRun(request._replace(install=None), False, Virsh(libvirt.uri), str(root)))
    definition = parse_xml(libvirt.definition("guest"))
    assert [disk.get("device") for disk in definition.all("devices", "disk")] == ["disk"]
    unnamed = request._replace(name="other", install=WINDOWS)
    observation = GuestRun(unnamed, False, Virsh(libvirt.uri), str(root)).observe()
    assert [refusal.code for refusal in observation.refusals] == ["several_disks"]


def test_what_is_missing_is_named_at_once(start: Start, host: Path) -> None:
    for path in (WINDOWS.iso, WINDOWS.drivers, TOOLS[0]):
        (host / path[1:]).unlink()
    codes = [refusal.code for refusal in start(WINDOWS).observe().refusals]
    assert codes[:3] == ["iso_tool_absent", "iso_missing", "iso_missing"]


def test_a_guest_that_runs_without_an_answer_keeps_its_medium(
    start: Start, libvirt: Libvirt, host: Path, tmp_path: Path
) -> None:
    done(start(WINDOWS))
    start_paused(libvirt, tmp_path)
    try:
        observation = start(WINDOWS, adopt=True).observe()
        assert observation.refusals == ()
        assert observation.is_running
        assert (observation.install.make, observation.install.remove) == (None, None)
        assert "the system is being installed" in observation.install.notes[0]
        changed = start(WINDOWS._replace(locale="fr-FR"), adopt=True).observe()
        assert changed.install.make is None
    finally:
        libvirt.virsh("destroy", "guest")
    assert (host / MEDIUM[1:]).exists()
