# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pass over a guest with the real libvirt, on a described machine that was provisioned."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ApplyFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.commands import run
from ansible_collections.vfio.workstation.plugins.module_utils._apply.virsh import Virsh
from ansible_collections.vfio.workstation.plugins.module_utils._engine.guest import GuestRun, Observation, shown
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    LINUX,
    WINDOWS11,
    DiskRequest,
    GuestRequest,
    LookingGlassRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HOST_RECORD_FILE, HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import element, parse_xml
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.hook import HOOK_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_record import render_host_record
from ansible_collections.vfio.workstation.tests.guests.daemon import Libvirt
from ansible_collections.vfio.workstation.tests.guests.hosts import DISK, DOMAIN_TYPE, provisioned
from ansible_collections.vfio.workstation.tests.machines import build_described, load_but

#: As virt-manager makes one, without what libvirt fills in.
FOREIGN = """
<domain type='qemu'>
  <name>theirs</name>
  <title>A guest of somebody</title>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://microsoft.com/win/11"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='MiB'>256</memory>
  <vcpu placement='static'>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/><hyperv mode='custom'><relaxed state='off'/></hyperv></features>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <clock offset='utc'><timer name='rtc' tickpolicy='delay'/></clock>
  <devices>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <controller type='usb' index='0' model='qemu-xhci'/>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' autoport='yes' passwd='secret'/>
    <video><model type='vga'/></video>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""

Start = Callable[..., GuestRun]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The files of a workstation with a GPU on vfio-pci, eight pages of 1 GiB and six cores for guests."""
    root = tmp_path / "host"
    record = provisioned("amd-desktop", root).record
    for path, content in ((HOST_RECORD_FILE, render_host_record(record)), (DISK, "")):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_text(content)
    return root


def below(host: Path) -> Callable[[Sequence[str]], str]:
    """Return a runner of tools that has systemd-tmpfiles work below a directory."""

    def runner(argv: Sequence[str]) -> str:
        return run([*argv, f"--root={host}"] if argv[0] == "systemd-tmpfiles" else argv)

    return runner


@pytest.fixture
def start(host: Path, libvirt: Libvirt) -> Start:
    """A function that returns a run for a guest."""

    def run(name: str = "guest", system: str = WINDOWS11, *, absent: bool = False, **options: Any) -> GuestRun:
        usual = {"devices": ("gpu",), "disk": DiskRequest(DISK), "network": "none", "domain_type": DOMAIN_TYPE}
        request = GuestRequest(name, system, **{**usual, **options})
        return GuestRun(request, absent, Virsh(libvirt.uri), str(host), below(host))

    return run


def done(run: GuestRun) -> Observation:
    """Carry out what is due; something must be."""
    observation = run.observe()
    assert observation.refusals == ()
    assert observation.change.is_due
    return run.apply(observation)


def lines(libvirt: Libvirt) -> list[str]:
    """Return the lines of the definition without their order: libvirt sorts controllers anew."""
    return sorted(libvirt.definition("guest").splitlines())


def codes(observation: Observation) -> list[str]:
    return [refusal.code for refusal in observation.refusals]


def test_a_guest_is_defined_once(start: Start, libvirt: Libvirt) -> None:
    run = start()
    planned = run.observe()
    assert libvirt.virsh("list", "--all", "--name").split() == []
    last = run.apply(planned)
    assert not last.change.is_due
    definition = libvirt.definition("guest")
    assert "managed='no'" in definition
    assert not start().observe().change.is_due
    assert libvirt.definition("guest") == definition


def test_an_edit_is_undone_and_an_addition_stays(start: Start, libvirt: Libvirt, tmp_path: Path) -> None:
    done(start())
    definition, before = libvirt.definition("guest"), lines(libvirt)
    edited = definition.replace("managed='no'", "managed='yes'").replace("</name>", "</name><title>mine</title>")
    libvirt.define(tmp_path / "edited.xml", edited)
    done(start())
    assert lines(libvirt) == sorted([*before, "  <title>mine</title>"])


def test_a_request_changes(start: Start, libvirt: Libvirt) -> None:
    done(start())
    uuid = libvirt.virsh("domuuid", "guest")
    done(start(devices=(), disk=None, memory_bytes=4 << 30, display="none"))
    definition = parse_xml(libvirt.definition("guest"))
    for kind in ("hostdev", "disk", "graphics"):
        assert list(definition.all("devices", kind)) == []
    assert libvirt.virsh("domuuid", "guest") == uuid
    assert not start(devices=(), disk=None, memory_bytes=4 << 30, display="none").observe().change.is_due


def test_a_disk_comes_later_and_the_order_is_edited(start: Start, libvirt: Libvirt, tmp_path: Path) -> None:
    """libvirt writes a boot order of its own into a domain without one, and refuses two kinds of orders."""
    done(start(disk=None))
    done(start())
    definition = libvirt.definition("guest")
    assert "<boot dev='hd'/>" in definition
    edited = definition.replace("<boot dev='hd'/>", "").replace("<boot dev='cdrom'/>", "")
    edited = edited.replace("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><boot order='1'/>")
    libvirt.define(tmp_path / "edited.xml", edited)
    done(start(memory_bytes=4 << 30))
    assert "<boot order='1'/>" in libvirt.definition("guest")
    assert "<boot dev=" not in libvirt.definition("guest")


def test_a_guest_is_removed_and_nothing_else(start: Start, libvirt: Libvirt, host: Path) -> None:
    done(start())
    run = start(absent=True)
    done(run)
    assert libvirt.virsh("list", "--all", "--name").split() == []
    assert (host / DISK[1:]).exists()
    assert not run.observe().change.is_due


def test_the_disk_is_created_once(start: Start, host: Path) -> None:
    disk = DiskRequest("/srv/images/new.qcow2", None, 1 << 30)
    tool = host / "usr/bin/qemu-img"
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text("")  # the real one runs, which is not below the root
    image = host / "srv/images/new.qcow2"
    planned = start(disk=disk).observe()
    assert (planned.is_due, image.exists()) == (True, False)
    done(start(disk=disk))
    line = ["qemu-img", "info", "--output=json", str(image)]
    described = json.loads(subprocess.run(line, capture_output=True, check=True).stdout)
    assert (described["format"], described["virtual-size"]) == ("qcow2", 1 << 30)
    assert image.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in image.parent.iterdir()] == [image.name]
    content = image.read_bytes()
    larger = start(disk=disk._replace(size_bytes=2 << 30))
    assert not larger.observe().is_due
    done(start(absent=True))
    done(larger)
    assert image.read_bytes() == content


def test_the_memory_of_looking_glass_is_created(start: Start, host: Path) -> None:
    (host / "etc").mkdir(exist_ok=True)
    (host / "etc/group").write_text("kvm:x:104:\n")
    (host / "etc/passwd").write_text("dev:x:1000:1000::/:/bin/sh\n")
    (host / "dev/shm").mkdir(parents=True, exist_ok=True)
    glass = LookingGlassRequest(1920, 1080, user="dev")
    done(start(looking_glass=glass, display="vnc"))
    status = (host / "dev/shm/looking-glass-guest").stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid, status.st_size) == (0o660, 1000, 104, 0)
    assert not start(looking_glass=glass, display="vnc").observe().is_due
    done(start(display="vnc"))
    assert list((host / "etc/tmpfiles.d").iterdir()) == []


def test_a_user_that_does_not_exist(start: Start, libvirt: Libvirt, host: Path) -> None:
    (host / "etc").mkdir(exist_ok=True)
    (host / "etc/group").write_text("kvm:x:104:\n")
    (host / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    run = start(looking_glass=LookingGlassRequest(1920, 1080, user="nobody-known"), display="vnc")
    with pytest.raises(ApplyFailed, match=r"(?s)create the memory of Looking Glass for guest: .*nobody-known"):
        run.apply(run.observe())
    assert not (host / "etc/tmpfiles.d").exists()
    assert libvirt.virsh("list", "--all", "--name").split() == []


def test_passt_is_refused_where_it_does_not_work(start: Start) -> None:
    (refusal, *others) = start(network="passt").observe().refusals
    assert refusal.seen == "guest: /usr/bin/passt does not exist on this host"
    assert {refusal.code, *(other.code for other in others)} == {"passt_unsupported"}


def test_an_image_that_appears_meanwhile_is_kept(start: Start, libvirt: Libvirt, host: Path) -> None:
    disk = DiskRequest("/srv/images/new.qcow2", None, 1 << 30)
    (host / "usr/bin").mkdir(parents=True, exist_ok=True)
    (host / "usr/bin/qemu-img").write_text("")
    run = start(disk=disk)
    planned = run.observe()
    image = host / "srv/images/new.qcow2"
    image.parent.mkdir(parents=True)
    image.write_text("the system of a guest")
    with pytest.raises(ApplyFailed, match=r"exists meanwhile, and is left as it is"):
        run.apply(planned)
    assert image.read_text() == "the system of a guest"
    assert libvirt.virsh("list", "--all", "--name").split() == []


def test_a_new_image_is_removed_when_libvirt_refuses_the_guest(start: Start, host: Path) -> None:
    (host / "usr/bin").mkdir(parents=True, exist_ok=True)
    (host / "usr/bin/qemu-img").write_text("")
    run = start(disk=DiskRequest("/srv/new.img", "raw", 1 << 20), xml=element("domain", element("nonsense")))
    with pytest.raises(ApplyFailed, match="XML document failed to validate against schema"):
        run.apply(run.observe())
    assert not (host / "srv/new.img").exists()


def test_a_foreign_guest_is_refused(start: Start, libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    assert codes(start("theirs").observe()) == ["domain_is_not_ours"]
    observation = start("theirs", absent=True).observe()
    assert (codes(observation), observation.change.is_due) == ([], False)


@pytest.mark.parametrize("system", [LINUX, WINDOWS11])
def test_an_adopted_guest_is_returned_byte_for_byte(
    system: str, start: Start, libvirt: Libvirt, tmp_path: Path
) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    before = libvirt.virsh("dumpxml", "--inactive", "--security-info", "theirs")
    options: dict[str, Any] = {"disk": None, "network": None, "domain_type": "qemu"}
    done(start("theirs", system, adopt=True, tpm=True, **options))
    tuned = parse_xml(libvirt.definition("theirs"))
    assert tuned.first("memoryBacking", "hugepages") is not None
    assert not start("theirs", system, tpm=True, **options).observe().change.is_due
    done(start("theirs", system, devices=(), **options))  # another request in between
    done(start("theirs", absent=True))
    assert libvirt.virsh("dumpxml", "--inactive", "--security-info", "theirs") == before
    assert not start("theirs", absent=True).observe().change.is_due


def test_a_running_guest_is_not_touched(start: Start, libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    libvirt.virsh("start", "--paused", "theirs")
    try:
        options: dict[str, Any] = {"disk": None, "network": None, "domain_type": "qemu", "devices": ()}
        run = start("theirs", LINUX, adopt=True, **options)
        planned = run.observe()
        assert (planned.is_running, planned.restart_required) == (True, True)
        last = run.apply(planned)
        assert (last.change.is_due, last.restart_required) == (False, True)
        assert libvirt.virsh("domstate", "theirs").strip() == "paused"
        assert "<vcpu placement='static'>1</vcpu>" in libvirt.virsh("dumpxml", "theirs")
        done(start("theirs", absent=True))
        assert libvirt.virsh("domstate", "theirs").strip() == "paused"
    finally:
        libvirt.virsh("destroy", "theirs")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The files of a host with the first two CPUs of this computer, the second of which is for guests, and no pages."""
    changes = {
        "cpus": {"clusters": [{"cores": 2, "threads": 1, "l3": "8M"}]},
        "memory": {"nodes": {0: {"hugepages": {2048: [0, 0, 0], 1048576: [0, 0, 0]}}}},
    }
    root = Path(build_described(load_but("amd-desktop", changes), tmp_path / "small"))
    record = root / HOST_RECORD_FILE[1:]
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(render_host_record(HostRecord(cpus=(1,))))
    return root


@pytest.mark.parametrize("system", [LINUX, WINDOWS11])
def test_qemu_runs_what_is_planned(system: str, small: Path, libvirt: Libvirt) -> None:
    """With Secure Boot, system management mode and a TPM for Windows. Nothing is installed in the guest."""

    def run(memory: int) -> GuestRun:
        request = GuestRequest("guest", system, memory_bytes=memory << 20, network="none", domain_type="qemu")
        return GuestRun(request, False, Virsh(libvirt.uri), str(small))

    done(run(256))
    libvirt.virsh("start", "guest")
    try:
        same = run(256).observe()
        assert (same.is_running, same.change.is_due, same.restart_required) == (True, False, False)
        assert libvirt.virsh("vcpupin", "guest").split()[-2:] == ["0", "1"]
        assert libvirt.virsh("emulatorpin", "guest").split()[-2:] == ["*:", "0"]
        assert done(run(512)).restart_required
        assert run(512).observe().restart_required  # until somebody restarts it
        assert libvirt.virsh("domstate", "guest").strip() == "running"
    finally:
        libvirt.virsh("destroy", "guest")
    assert not run(512).observe().restart_required


def test_what_libvirt_refuses_changes_nothing(start: Start, libvirt: Libvirt) -> None:
    invalid = element("domain", element("devices", element("shmem", name="lg")), element("nonsense"))
    run = start(xml=invalid)
    with pytest.raises(ApplyFailed, match="XML document failed to validate against schema"):
        run.apply(run.observe())
    assert libvirt.virsh("list", "--all", "--name").split() == []
    done(start())
    definition = libvirt.definition("guest")
    run = start(xml=invalid)
    with pytest.raises(ApplyFailed):
        run.apply(run.observe())
    assert libvirt.definition("guest") == definition


def test_what_libvirt_stores_otherwise_is_undone(start: Start, libvirt: Libvirt) -> None:
    """libvirt stores another value than the requested one: the next run would define it again."""
    done(start())
    definition = lines(libvirt)
    run = start(xml=element("domain", element("memory", "8388607", unit="KiB")))
    with pytest.raises(ApplyFailed, match=r"(?s)does not show the result.*8388607.*The domain is as it was"):
        run.apply(run.observe())
    assert lines(libvirt) == definition


def test_without_libvirt(host: Path, tmp_path: Path) -> None:
    for uri in (f"qemu+unix:///session?socket={tmp_path}/none", "nonsense:///x"):
        observation = GuestRun(GuestRequest("guest"), False, Virsh(uri), str(host)).observe()
        assert codes(observation) == ["libvirt_absent"]
        assert "error: failed to connect to the hypervisor" in observation.refusals[0].seen


def test_a_damaged_record(start: Start, host: Path) -> None:
    (host / HOST_RECORD_FILE[1:]).write_text("{")
    assert codes(start().observe()) == ["record_damaged"]


def test_a_host_that_was_not_provisioned(start: Start, host: Path) -> None:
    (host / HOST_RECORD_FILE[1:]).unlink()
    assert codes(start().observe()) == ["device_not_provisioned", "guest_cpus_exceed_plan"]


def test_passwords_are_not_shown(libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define(tmp_path / "theirs.xml", FOREIGN)
    definition = Virsh(libvirt.uri).definition("theirs")
    assert "passwd='secret'" in definition
    assert "secret" not in shown(parse_xml(definition))


class SystemVirsh(Virsh):
    """The daemon of the tests in the place of the host's own."""

    is_system = True


def test_the_hook_comes_with_the_first_guest_and_goes_with_the_last(host: Path, libvirt: Libvirt) -> None:
    def run(name: str, *, absent: bool = False) -> GuestRun:
        request = GuestRequest(name, network="none", domain_type=DOMAIN_TYPE)
        return GuestRun(request, absent, SystemVirsh(libvirt.uri), str(host))

    hook = host / HOOK_FILE[1:]
    done(run("first"))
    assert hook.stat().st_mode & 0o777 == 0o755
    hook.write_text(hook.read_text() + "# edited\n")
    observation = run("first").observe()
    assert (observation.change.is_due, observation.is_due) == (False, True)
    assert not run("first").apply(observation).is_due
    done(run("second"))
    done(run("first", absent=True))
    assert hook.exists()
    done(run("second", absent=True))
    assert not hook.exists()


def test_a_foreign_hook_is_refused(host: Path, libvirt: Libvirt) -> None:
    hook = host / HOOK_FILE[1:]
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\n")
    request = GuestRequest("guest", network="none", domain_type=DOMAIN_TYPE)
    run = GuestRun(request, False, SystemVirsh(libvirt.uri), str(host))
    assert codes(run.observe()) == ["file_is_not_ours"]
    assert libvirt.virsh("list", "--all", "--name").split() == []
