# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of a domain: created, adopted, changed, returned, removed, refused."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    BIOS,
    LINUX,
    NO_DISPLAY,
    NO_NETWORK,
    SPICE,
    UEFI,
    WINDOWS10,
    WINDOWS11,
    DiskRequest,
    Domain,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import HostRecord
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import Element, parse_xml, render
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.domain import (
    DomainChange,
    Host,
    plan_absent,
    plan_present,
)
from ansible_collections.vfio.workstation.tests.guests.hosts import (
    CAPABILITIES,
    DISK,
    MEDIUM,
    NETWORKS,
    host_of,
)
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, GIB, machine

from .test_devices import GPU, NIC, bound, moved, recorded

FOREIGN = """
<domain type='kvm'>
  <name>g</name>
  <uuid>0d3b4f9e-3f0e-4f0e-9d3b-4f9e3f0e4f0e</uuid>
  <memory unit='KiB'>4194304</memory>
  <currentMemory unit='KiB'>4194304</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os firmware='efi'>
    <type arch='x86_64' machine='pc-q35-8.2'>hvm</type>
    <loader readonly='yes' secure='no' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
  </os>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <clock offset='utc'/>
  <devices>
    <disk type='file' device='disk'><source file='/theirs.qcow2'/><target dev='sda' bus='sata'/></disk>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <interface type='network'><source network='default'/><model type='e1000e'/></interface>
    <graphics type='spice'/>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""


def host(**changes: Any) -> Host:
    base = bound()
    kept = HostRecord(cpus=tuple(range(4, 16)), devices=recorded(base, gpu=GPU, nic=(NIC,)).devices)
    return host_of(base, kept, **changes)


def guest(system: str = LINUX, **changes: Any) -> GuestRequest:
    return GuestRequest("g", system, **{"memory_bytes": 8 * GIB, "devices": ("gpu",), **changes})


def foreign(**changes: str) -> Domain:
    text = FOREIGN
    for old, new in changes.items():
        text = text.replace(old, new)
    return Domain(parse_xml(text), is_running=False)


def after(change: DomainChange) -> Element:
    assert change.refusals == ()
    assert change.after is not None
    return change.after


def defined(change: DomainChange, is_running: bool = False) -> Domain:
    return Domain(after(change), is_running)


def values(domain: Element, *path: str) -> list[tuple[tuple[str, str], ...]]:
    return [part.attributes for part in domain.all(*path)]


def test_a_new_domain() -> None:
    change = plan_present(host(), guest(WINDOWS11, disk=DiskRequest(DISK), isos=(MEDIUM,)), None)
    domain = after(change)
    assert change.is_due
    assert change.plan is not None
    assert change.plan.devices == {"gpu": GPU}
    assert change.plan.memory_bytes == 8 * GIB
    assert values(domain, "os", "type") == [(("arch", "x86_64"), ("machine", "pc-q35-10.0"))]
    assert values(domain, "devices", "tpm", "backend")[0][:2] == (("type", "emulator"), ("version", "2.0"))
    assert values(domain, "features", "smm") == [(("state", "on"),)]
    assert not plan_present(host(), guest(WINDOWS11, disk=DiskRequest(DISK), isos=(MEDIUM,)), defined(change)).is_due


@pytest.mark.parametrize(("system", "secure"), [(LINUX, False), (WINDOWS10, False), (WINDOWS11, True)])
def test_secure_boot_and_tpm_by_system(system: str, secure: bool) -> None:
    domain = after(plan_present(host(), guest(system), None))
    state = "yes" if secure else "no"
    assert values(domain, "os", "firmware", "feature") == [
        (("enabled", state), ("name", "enrolled-keys")),
        (("enabled", state), ("name", "secure-boot")),
    ]
    assert bool(values(domain, "devices", "tpm")) == bool(values(domain, "features", "smm")) == secure


def test_bios() -> None:
    base = host()
    without_uefi = base._replace(capabilities=base.capabilities._replace(firmware=frozenset()))
    domain = after(plan_present(without_uefi, guest(LINUX, firmware=BIOS), None))
    assert values(domain, "os") == [()]
    assert not values(domain, "os", "firmware")
    assert not plan_present(without_uefi, guest(LINUX, firmware=BIOS), Domain(domain, is_running=False)).is_due


def test_secure_boot_and_tpm_as_requested() -> None:
    domain = after(plan_present(host(), guest(LINUX, secure_boot=True, tpm=True), None))
    assert values(domain, "features", "smm")
    assert values(domain, "devices", "tpm")
    domain = after(plan_present(host(), guest(WINDOWS11, secure_boot=False, tpm=False), None))
    assert not values(domain, "features", "smm")
    assert not values(domain, "devices", "tpm")


def test_what_is_no_longer_requested_is_removed() -> None:
    many = guest(disk=DiskRequest(DISK), devices=("gpu", "nic"), display=SPICE, evdev=("/dev/input/by-id/a",))
    paths = {**host().files.paths, "/dev/input/by-id/a": "character"}
    changed = host(files=host().files._replace(paths=paths))
    first = plan_present(changed, many, None)
    few = guest(devices=(), display=NO_DISPLAY, network=NO_NETWORK, cpus=(4, 5))
    domain = after(plan_present(changed, few, defined(first)))
    fresh = after(plan_present(changed, few, None))
    for kind in ("hostdev", "disk", "graphics", "input", "interface", "video"):
        assert list(domain.all("devices", kind)) == list(fresh.all("devices", kind)), kind
    assert len(list(domain.all("cputune", "vcpupin"))) == 2


def test_drift_is_corrected_and_additions_stay() -> None:
    change = plan_present(host(), guest(), None)
    text = render(after(change))
    edited = text.replace("managed='no'", "managed='yes'").replace("<devices>", "<devices><watchdog model='itco'/>")
    assert edited != text
    again = plan_present(host(), guest(), Domain(parse_xml(edited), is_running=False))
    assert again.is_due
    assert {item[2] for item in values(after(again), "devices", "hostdev")} == {("managed", "no")}
    assert values(after(again), "devices", "watchdog") == [(("model", "itco"),)]


def test_a_moved_device_is_followed_and_stays_where_the_guest_sees_it() -> None:
    start = host()
    first = plan_present(start, guest(devices=("nic", "gpu")), None)
    later = start._replace(machine=moved({NIC: "0000:05:00.0"}))
    domain = after(plan_present(later, guest(devices=("gpu", "nic")), defined(first)))

    def places(of: Element) -> dict[str | None, str | None]:
        found = {}
        for device in of.all("devices", "hostdev"):
            source, address = device.first("source", "address"), device.first("address")
            assert source is not None
            assert address is not None
            found[source.get("bus")] = address.get("bus")
        return found

    assert places(after(first)) == {"0x03": "0x01", "0x41": "0x02"}
    assert places(domain) == {"0x05": "0x01", "0x41": "0x02"}
    ports = [part for part in values(domain, "devices", "controller") if ("model", "pcie-root-port") in part]
    assert len(ports) == 2


def test_a_foreign_domain_is_refused() -> None:
    change = plan_present(host(), guest(), foreign())
    assert [refusal.code for refusal in change.refusals] == ["domain_is_not_ours"]
    assert not change.is_due


def test_an_adopted_domain_keeps_what_is_not_requested() -> None:
    change = plan_present(host(), guest(WINDOWS11, adopt=True), foreign())
    domain = after(change)
    assert change.is_adopted
    for path in (("os",), ("uuid",), ("devices", "disk"), ("devices", "interface"), ("devices", "graphics")):
        assert list(domain.all(*path)) == list(foreign().xml.all(*path)), path
    assert values(domain, "clock") == [(("offset", "utc"),)]
    assert not values(domain, "devices", "tpm")
    assert values(domain, "cpu")[0][0] == ("mode", "host-passthrough")
    assert ("index", "2") in values(domain, "devices", "controller")[-1]
    assert not plan_present(host(), guest(WINDOWS11, adopt=True), defined(change)).is_due
    # once adopted, it needs no option
    assert not plan_present(host(), guest(WINDOWS11), defined(change)).is_due


def test_an_adopted_domain_gets_what_is_requested() -> None:
    request = guest(WINDOWS11, adopt=True, tpm=True, bridge="br0", disk=DiskRequest("/dev/vg/guest"), display="vnc")
    domain = after(plan_present(host(), request, foreign()))
    assert values(domain, "devices", "tpm") == [(("model", "tpm-crb"),)]
    assert values(domain, "devices", "interface") == [(("type", "bridge"),)]
    assert [part.get("dev") for part in domain.all("devices", "disk", "source")] == [None, "/dev/vg/guest"]


def test_an_adopted_domain_is_returned() -> None:
    change = plan_present(host(), guest(WINDOWS11, adopt=True, bridge="br0", tpm=True), foreign())
    again = plan_absent("g", defined(change, is_running=True))
    assert render(after(again)) == render(foreign().xml)


def test_a_domain_of_ours_is_removed() -> None:
    change = plan_present(host(), guest(), None)
    gone = plan_absent("g", defined(change))
    assert (gone.after, gone.refusals, gone.is_due) == (None, (), True)
    assert not plan_absent("g", None).is_due


def test_what_is_not_removed() -> None:
    running = plan_absent("g", defined(plan_present(host(), guest(), None), is_running=True))
    assert [refusal.code for refusal in running.refusals] == ["guest_running"]
    theirs = plan_absent("g", foreign())
    assert (theirs.is_due, theirs.refusals, len(theirs.notes)) == (False, (), 1)


@pytest.mark.parametrize(
    ("paths", "libvirt", "seen"),
    [
        ({}, (11, 3, 0), ["g: /usr/bin/passt does not exist on this host"]),
        ({"/usr/bin/passt": "file"}, (9, 0, 0), ["g: libvirt 9.0.0 does not start passt"]),
        ({"/usr/bin/passt": "file"}, (9, 1, 0), []),
        ({"/usr/bin/passt": "file"}, None, []),
    ],
)
def test_passt(paths: dict[str, str], libvirt: tuple[int, ...] | None, seen: list[str]) -> None:
    base = host(networks=NETWORKS._replace(libvirt=libvirt))
    change = plan_present(base._replace(files=base.files._replace(paths=paths)), guest(network="passt"), None)
    assert [refusal.seen for refusal in change.refusals if refusal.code == "passt_unsupported"] == seen


def test_an_interface_keeps_its_address_when_it_becomes_another_one() -> None:
    accepted = frozenset({"passt_unsupported"})
    first = after(plan_present(host(), guest(), None))
    text = render(first).replace(
        "<source network='default'/>", "<source network='default'/><mac address='52:54:00:0:0:1'/>"
    )
    domain = after(plan_present(host(), guest(network="passt", accepted=accepted), Domain(parse_xml(text), False)))
    (interface,) = domain.all("devices", "interface")
    assert interface.get("type") == "user"
    assert sorted(child.name for child in interface.elements) == ["backend", "mac", "model"]


def test_a_damaged_mark() -> None:
    text = render(after(plan_present(host(), guest(), None))).replace("format='1'", "format='9'")
    domain = Domain(parse_xml(text), is_running=False)
    for change in (plan_present(host(), guest(), domain), plan_absent("g", domain)):
        assert [refusal.code for refusal in change.refusals] == ["record_damaged"]


@pytest.mark.parametrize(
    ("code", "request_", "changes"),
    [
        ("firmware_absent", guest(), {"firmware": frozenset()}),
        ("firmware_absent", guest(WINDOWS11), {"secure_boot": False}),
        ("tpm_absent", guest(WINDOWS11), {"tpm_backends": frozenset({"passthrough"})}),
        ("display_unsupported", guest(display=SPICE), {"graphics": frozenset({"vnc"})}),
        ("image_absent", guest(disk=DiskRequest("/none")), {}),
        ("image_absent", guest(isos=("/none",)), {}),
        ("image_absent", guest(evdev=("/dev/input/none",)), {}),
        ("network_absent", guest(network="lab"), {}),
        ("network_absent", guest(bridge="br9"), {}),
        ("device_not_provisioned", guest(devices=("disk",)), {}),
        ("guest_cpus_exceed_plan", guest(cpus=(2, 3)), {}),
        ("guest_memory_exceeds_pages", guest(memory_bytes=None), {}),
        ("enlightenment_unsupported", guest(virtualization_based_security=True), {}),
    ],
)
def test_refused(code: str, request_: GuestRequest, changes: dict[str, Any]) -> None:
    change = plan_present(host(capabilities=CAPABILITIES._replace(**changes)), request_, None)
    assert [refusal.code for refusal in change.refusals] == [code]
    assert all(refusal.seen.startswith(("g:", "gpu:")) for refusal in change.refusals)
    assert not change.is_due


def test_all_refusals_at_once() -> None:
    request = guest(WINDOWS11, devices=("disk",), network="lab", cpus=(0, 1), isos=("/none",))
    codes = {refusal.code for refusal in plan_present(host(), request, None).refusals}
    assert codes == {"device_not_provisioned", "network_absent", "guest_cpus_exceed_plan", "image_absent"}


def test_refusals_that_are_accepted() -> None:
    accepted = frozenset({"network_absent", "image_absent", "guest_cpus_exceed_plan"})
    request = guest(network="lab", isos=("/none",), cpus=(0, 1), accepted=accepted)
    assert plan_present(host(), request, None).is_due
    # nothing can be planned without memory
    request = guest(memory_bytes=None, accepted=frozenset({"guest_memory_exceeds_pages"}))
    assert plan_present(host(), request, None).refusals


@pytest.mark.parametrize("secure", [True, False])
def test_secure_boot_of_a_domain_does_not_change(secure: bool) -> None:
    first = plan_present(host(), guest(secure_boot=not secure), None)
    change = plan_present(host(), guest(secure_boot=secure), defined(first))
    assert [refusal.code for refusal in change.refusals] == ["firmware_changed"]
    change = plan_present(host(), guest(secure_boot=True, adopt=True), foreign())
    assert [refusal.code for refusal in change.refusals] == ["firmware_changed"]
    # the loader that libvirt chose counts more than the features that were requested
    stored = render(after(first)).replace("</os>", f"<loader secure='{'no' if secure else 'yes'}'/></os>")
    change = plan_present(host(), guest(secure_boot=not secure), Domain(parse_xml(stored), is_running=False))
    assert not change.refusals


def test_firmware_of_a_domain_does_not_change() -> None:
    for now, other in ((BIOS, UEFI), (UEFI, BIOS)):
        first = plan_present(host(), guest(firmware=now), None)
        change = plan_present(host(), guest(firmware=other), defined(first))
        assert [refusal.code for refusal in change.refusals] == ["firmware_changed"]
        assert not plan_present(host(), guest(firmware=now), defined(first)).is_due
    # what is adopted stays as it is: libvirt selects the firmware, or somebody named its file
    selected, file = {" type='pflash'": ""}, {" firmware='efi'": ""}
    for domain in (foreign(**selected), foreign(**file)):
        assert plan_present(host(), guest(adopt=True, firmware=UEFI), domain).is_due
        change = plan_present(host(), guest(adopt=True, firmware=BIOS), domain)
        assert [refusal.code for refusal in change.refusals] == ["firmware_changed"]
    bios = foreign(**selected, **file)
    assert plan_present(host(), guest(adopt=True), bios).is_due


def test_other_boards() -> None:
    change = plan_present(host(), guest(adopt=True), foreign(**{"pc-q35-8.2": "pc-i440fx-8.2"}))
    assert [refusal.code for refusal in change.refusals] == ["machine_type_unsupported"]
    base = host()
    arm = base._replace(machine=base.machine._replace(cpu=base.machine.cpu._replace(vendor="arm")))
    assert "machine_type_unsupported" in [refusal.code for refusal in plan_present(arm, guest(), None).refusals]


def test_a_domain_keeps_its_machine_type() -> None:
    first = plan_present(host(), guest(), None)
    newer = host(capabilities=CAPABILITIES._replace(machine="pc-q35-11.0"))
    assert not plan_present(newer, guest(), defined(first)).is_due


def test_notes() -> None:
    networks = NETWORKS._replace(active=frozenset())
    small = guest(WINDOWS11, memory_bytes=2 * GIB, cpus=(4, 5))
    plan = plan_present(host(networks=networks), small, None).plan
    assert plan is not None
    assert plan.notes == (
        "the host has no huge pages: the guest is on ordinary memory, which costs speed",
        "the network default is not active: start it with `virsh net-start default`",
        "Windows 11 requires 4 GiB of memory, and the guest has 2 GiB",
    )
    assert machine(DESKTOP).cpus.cores


def test_elements_of_the_user() -> None:
    xml = parse_xml(
        """
        <domain>
          <description>a note</description>
          <features><hyperv><vendor_id state='on' value='x'/><relaxed state='off'/></hyperv></features>
          <cpu><feature policy='disable' name='hypervisor'/></cpu>
          <devices><shmem name='lg'><model type='ivshmem-plain'/><size unit='M'>64</size></shmem></devices>
          <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
            <qemu:arg value='-s'/>
          </qemu:commandline>
        </domain>
        """
    )
    first = plan_present(host(), guest(WINDOWS11, xml=xml), None)
    domain = after(first)
    assert values(domain, "features", "hyperv", "relaxed") == [(("state", "off"),)]
    assert values(domain, "devices", "shmem") == [(("name", "lg"),)]
    assert [part.get("name") for part in domain.all("cpu", "feature")] == ["topoext", "svm", "hypervisor"]
    assert len(list(domain.all("cpu"))) == 1
    assert not plan_present(host(), guest(WINDOWS11, xml=xml), defined(first)).is_due
    without = after(plan_present(host(), guest(WINDOWS11), defined(first)))
    assert render(without) == render(after(plan_present(host(), guest(WINDOWS11), None)))
