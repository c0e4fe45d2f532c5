# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the module guest: parsed, or all mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    KVM,
    LINUX,
    UEFI,
    VNC,
    WINDOWS11,
    DiskRequest,
    GuestRequest,
    LookingGlassRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import LinuxInstall
from ansible_collections.vfio.workstation.plugins.module_utils._machine.xml_element import element
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.guest_spec import GUEST
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.parse_guest import GuestOptions, parse_guest
from ansible_collections.vfio.workstation.tests.guests.install import PASSWORD_HASH

LEAST = {"name": "g", "os": "linux"}


def parsed(**options: Any) -> GuestOptions:
    result = parse_guest({**LEAST, **options})
    assert isinstance(result, GuestOptions), result
    return result


def test_defaults() -> None:
    assert parsed() == (GuestRequest("g", LINUX), False, "qemu:///system", False, False)
    assert parsed().request.domain_type == KVM


def test_all_options() -> None:
    result = parsed(
        os="windows11",
        devices=["gpu", "nic"],
        memory="16G",
        cpus="2-5,10",
        firmware="uefi",
        secure_boot=True,
        tpm="no",
        disk={"path": "/a b.qcow2", "format": "raw"},
        isos=["/srv/a.iso"],
        bridge="br0",
        display="vnc",
        evdev=["/dev/input/by-id/usb-a-event-kbd"],
        virtualization_based_security=True,
        xml="<description>x</description>",
        adopt=True,
        accept="network_absent",
        uri="qemu:///session",
    )
    assert result == GuestOptions(
        GuestRequest(
            "g",
            WINDOWS11,
            ("gpu", "nic"),
            16 << 30,
            (2, 3, 4, 5, 10),
            firmware=UEFI,
            secure_boot=True,
            tpm=False,
            disk=DiskRequest("/a b.qcow2", "raw"),
            isos=("/srv/a.iso",),
            bridge="br0",
            display=VNC,
            evdev=("/dev/input/by-id/usb-a-event-kbd",),
            virtualization_based_security=True,
            xml=element("domain", element("description", "x")),
            adopt=True,
            accepted=frozenset({"network_absent"}),
        ),
        False,
        "qemu:///session",
    )


def test_windows_is_not_installed_by_bios() -> None:
    install = {"iso": "/w.iso", "drivers": "/d.iso", "user": "dev", "password": "x"}
    result = parse_guest({**LEAST, "os": "windows10", "firmware": "bios", "install": install})
    assert result == ["firmware: found 'bios', expected uefi, which install needs. Omit it, or change install."]


def test_absent_needs_a_name_alone() -> None:
    result = parse_guest({"name": "g", "state": "absent"})
    assert isinstance(result, GuestOptions)
    assert (result.absent, result.request.name) == (True, "g")


@pytest.mark.parametrize(("cpus", "expected"), [(4, (4,)), ("4,6", (4, 6)), ([2, 3], (2, 3)), (["2-3", 7], (2, 3, 7))])
def test_cpus(cpus: Any, expected: tuple[int, ...]) -> None:
    assert parsed(cpus=cpus).request.cpus == expected


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"name": None}, "name: found None, expected a name of letters"),
        ({"name": "a/b"}, "name: found 'a/b', expected a name of letters"),
        ({"os": None}, "os: found None, expected one of linux, windows10, windows11"),
        ({"os": "windows7"}, "os: found 'windows7', expected one of linux"),
        ({"devices": [3]}, "devices[0]: found 3"),
        ({"devices": ["gpu", "gpu"]}, "devices[1]: found 'gpu', expected the name of a device of the host, each once"),
        ({"memory": 16}, "memory: found 16, expected a size with its unit"),
        ({"memory": "1K"}, "memory: found '1K', expected a multiple of 4 KiB"),
        ({"cpus": "a"}, "cpus: found 'a', expected CPUs of the host"),
        ({"cpus": True}, "cpus: found True"),
        ({"cpus": []}, "cpus: found []"),
        ({"firmware": "efi"}, "firmware: found 'efi', expected one of uefi, bios"),
        ({"firmware": "bios", "os": "windows11"}, "firmware: found 'bios', expected uefi, which os needs"),
        ({"firmware": "bios", "secure_boot": True}, "firmware: found 'bios', expected uefi, which secure_boot needs"),
        (
            {"firmware": "bios", "os": "windows10", "virtualization_based_security": True},
            "firmware: found 'bios', expected uefi, which virtualization_based_security needs",
        ),
        ({"disk": {}}, "disk.path: found None"),
        ({"disk": {"path": "a"}}, "disk.path: found 'a', expected the absolute path"),
        ({"disk": {"path": "/a", "sizes": "9G"}}, "disk.sizes: found '9G', expected one of the keys path, format"),
        ({"disk": {"size": "9"}}, "disk.size: found '9', expected a size with its unit"),
        ({"disk": {"size": "0G"}}, "disk.size: found '0G', expected a multiple of 512 bytes"),
        ({"disk": {"path": "/dev/sda", "size": "9G"}}, "disk.size: found '9G', expected no size"),
        ({"isos": ["a.iso"]}, "isos[0]: found 'a.iso', expected the absolute path of an image"),
        ({"isos": [f"/{number}" for number in range(7)]}, "isos: found '7 paths', expected up to 6"),
        ({"network": "a", "bridge": "b"}, "bridge: found 'b', expected no bridge"),
        ({"network": "<x>"}, "network: found '<x>'"),
        ({"bridge": "a" * 16}, "bridge: found"),
        ({"evdev": ["/dev/sda"]}, "evdev[0]: found '/dev/sda', expected a path below /dev/input"),
        ({"xml": "<devices>"}, "xml: found '<devices>', expected elements of a domain"),
        ({"xml": "text"}, "xml: found 'text'"),
        ({"xml": "<domain><name>other</name></domain>"}, "xml: found '<name>', expected no such element"),
        ({"xml": 3}, "xml: found 3"),
        ({"accept": ["everything"]}, "accept[0]: found 'everything', expected a refusal code"),
        ({"accept": [[]]}, "accept[0]: found []"),
        ({"uri": "qemu"}, "uri: found 'qemu', expected a connection of libvirt"),
        ({"usb": ["046d"]}, "usb[0]: found '046d', expected a device such as 046d:c52b"),
        ({"looking_glass": {"width": 1920}}, "looking_glass.height: found None"),
        ({"looking_glass": {"width": 40000, "height": 1}}, "looking_glass.width: found 40000, expected up to 32768"),
        ({"looking_glass": {"width": 9, "height": 9, "user": "a b"}}, "looking_glass.user: found 'a b'"),
        ({"disks": []}, "disks: found [], expected one of the keys"),
        ({"type": "xen"}, "type: found 'xen', expected one of kvm, qemu"),
    ],
)
def test_mistakes(options: dict[str, Any], mistake: str) -> None:
    result = parse_guest({**LEAST, **options})
    assert isinstance(result, list)
    assert len(result) == 1, result
    assert result[0].startswith(mistake)


def test_all_mistakes_at_once_by_variable() -> None:
    result = parse_guest({"name": "/", "os": "dos", "memory": "?"}, {"memory": "guest_memory"})
    assert isinstance(result, list)
    assert sorted(mistake.partition(":")[0] for mistake in result) == ["guest_memory", "name", "os"]


@given(st.fixed_dictionaries({}, optional={name: st.from_type(object) | st.text() for name in GUEST}))
def test_no_value_raises(options: dict[str, Any]) -> None:
    parse_guest(options)


def test_an_installation_is_part_of_the_request() -> None:
    install = {"user": "dev", "password_hash": PASSWORD_HASH}
    assert isinstance(parsed(install=install).request.install, LinuxInstall)
    text = mistakes_in(install={"user": "dev"})
    assert text == ["install.ssh_keys: ssh_keys or password_hash is required: nobody could log in. Add one of them."]


def test_the_media_of_an_installation_need_drives() -> None:
    install = {"user": "dev", "password": "x", "iso": "/srv/w.iso", "drivers": "/srv/v.iso"}
    isos = [f"/srv/{number}.iso" for number in range(4)]
    assert parsed(os="windows11", install=install, isos=isos[:3]).request.install is not None
    (text,) = mistakes_in(os="windows11", install=install, isos=isos)
    assert text == (
        "isos: found '4 paths', expected up to 3, because the installation needs 3 more media. Remove some of them."
    )


def mistakes_in(**options: Any) -> list[str]:
    result = parse_guest({**LEAST, **options})
    assert isinstance(result, list), result
    return result


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        ({"size": "200G"}, DiskRequest("/var/lib/libvirt/images/windows.qcow2", None, 200 << 30)),
        ({"size": "1M", "format": "raw"}, DiskRequest("/var/lib/libvirt/images/windows.img", "raw", 1 << 20)),
        ({"size": "1G", "path": "/srv/a.qcow2"}, DiskRequest("/srv/a.qcow2", None, 1 << 30)),
    ],
)
def test_a_disk_that_is_created(disk: dict[str, str], expected: DiskRequest) -> None:
    options = parse_guest({"name": "windows", "os": "windows11", "disk": disk})
    assert isinstance(options, GuestOptions)
    assert options.request.disk == expected


def test_usb_devices_and_looking_glass() -> None:
    glass = {"width": "1920", "height": 1080, "user": "dev"}
    options = parse_guest(
        {"name": "g", "os": "linux", "usb": ["046D:C52B", "046d:c52b", "1-4.2"], "looking_glass": glass}
    )
    assert isinstance(options, GuestOptions)
    assert options.request.usb == ("046d:c52b", "1-4.2")
    assert options.request.looking_glass == LookingGlassRequest(1920, 1080, False, "dev")
