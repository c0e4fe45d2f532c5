# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of what runs at boot, and of what libvirt does when a guest starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import EACH_BOOT, GUEST_START
from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims.libvirt import _Definition
from ansible_collections.vfio.workstation.tests.machines.claimed import claims_of, only

GPU, SOUND, DISPLAY = "0000:41:00.0", "0000:41:00.1", "0000:0d:00.0"
COMMAND = "echo vfio-pci > /sys/bus/pci/devices/0000:0d:00.0/driver_override"
SYSTEMD = "/etc/systemd/system"


def link(root: Path, path: str, target: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def test_a_unit_that_binds(tmp_path: Path) -> None:
    unit = f"[Unit]\nDescription=vfio-pci\n\n[Service]\nType=oneshot\nExecStart=/bin/sh -c '{COMMAND}'\n"
    link(tmp_path, f"{SYSTEMD}/multi-user.target.wants/take.service", f"{SYSTEMD}/take.service")
    (claim,) = claims_of(tmp_path, {f"{SYSTEMD}/take.service": unit})
    assert claim == (
        "systemd_unit",
        f"{SYSTEMD}/take.service",
        6,
        f"ExecStart=/bin/sh -c '{COMMAND}'",
        None,
        "vfio-pci",
        "takes",
        (DISPLAY,),
        (EACH_BOOT,),
        False,
    )


def test_a_unit_that_is_not_enabled_applies_nowhere(tmp_path: Path) -> None:
    unit = f"[Service]\nExecStart=/bin/sh -c '{COMMAND}'\n"
    (claim,) = claims_of(tmp_path, {f"{SYSTEMD}/take.service": unit})
    assert claim.applies_to == ()


def test_a_unit_is_read_with_its_script_and_its_drop_ins(tmp_path: Path) -> None:
    link(tmp_path, f"{SYSTEMD}/basic.target.requires/take.service", "/usr/lib/systemd/system/take.service")
    files = {
        f"{SYSTEMD}/take.service.d/more.conf": "[Service]\nExecStartPre=\\\n  /usr/local/sbin/take\n",
        "/usr/local/sbin/take": f"#!/bin/sh\n{COMMAND}\n",
    }
    (claim,) = claims_of(tmp_path, files)
    assert claim[:5] == (
        "systemd_unit",
        "/usr/local/sbin/take",
        2,
        COMMAND,
        f"run by {SYSTEMD}/take.service.d/more.conf, line 2",
    )
    assert (claim.effect, claim.addresses, claim.applies_to) == ("takes", (DISPLAY,), (EACH_BOOT,))


@pytest.mark.parametrize(
    ("name", "count"), [("gpu-bind.service", 1), ("vfio.service", 1), ("cron.service", 0), ("vfio.timer", 0)]
)
def test_packaged_units_are_read_if_enabled_and_their_name_hints(tmp_path: Path, name: str, count: int) -> None:
    unit = f"[Service]\nExecStart=/bin/sh -c '{COMMAND}'\n"
    packaged = {f"/usr/lib/systemd/system/{name}": unit}
    assert claims_of(tmp_path, packaged) == []
    link(tmp_path, f"{SYSTEMD}/multi-user.target.wants/{name}", f"/usr/lib/systemd/system/{name}")
    assert len(claims_of(tmp_path, packaged)) == count


@pytest.mark.parametrize("path", ["/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/take", "/etc/local.d/take.start"])
def test_boot_scripts(tmp_path: Path, path: str) -> None:
    (claim,) = claims_of(tmp_path, {path: f"#!/bin/sh\n\n{COMMAND}\nexit 0\n"})
    assert claim[:4] == ("boot_script", path, 3, COMMAND)
    assert (claim.effect, claim.addresses, claim.applies_to) == ("takes", (DISPLAY,), (EACH_BOOT,))


def test_rc_local_is_read_with_its_scripts(tmp_path: Path) -> None:
    files = {
        "/etc/rc.local": "#!/bin/sh\n# /opt/other\n/opt/take &\n/bin/true\n",
        "/opt/take": f"#!/bin/sh\n{COMMAND}\n",
        "/opt/other": f"#!/bin/sh\n{COMMAND}\n",
    }
    (claim,) = claims_of(tmp_path, files)
    assert (claim.path, claim.origin) == ("/opt/take", "run by /etc/rc.local, line 3")


def test_a_program_is_no_script(tmp_path: Path) -> None:
    files = {"/etc/rc.local": "/opt/take\n", "/opt/take": b"\x7fELF" + COMMAND.encode()}
    assert claims_of(tmp_path, files) == []


def test_cron_at_boot(tmp_path: Path) -> None:
    files = {
        "/etc/crontab": f"@reboot root {COMMAND}\n17 * * * * root {COMMAND}\n",
        "/var/spool/cron/crontabs/root": "@reboot /root/take\n",
        "/root/take": f"#!/bin/sh\n{COMMAND}\n",
    }
    claims = claims_of(tmp_path, files)
    assert [(claim.path, claim.line) for claim in claims] == [("/etc/crontab", 1), ("/root/take", 2)]


DOMAIN = """\
<!-- WARNING: this is an auto-generated file -->
<domain type='kvm'>
  <name>win11</name>
  <devices>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver name='vfio'/>
      <source>
        <address domain='0x0000' bus='0x0d' slot='0x00' function='0x0'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x41' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source><address domain='0x0000' bus='0x41' slot='0x00' function='0x1'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='usb' managed='yes'>
      <source><address bus='1' device='3'/></source>
    </hostdev>
    <interface type='hostdev' managed='yes'>
      <source><address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>
    </interface>
  </devices>
</domain>
"""
GUEST = "/etc/libvirt/qemu/win11.xml"


def test_devices_of_a_guest(tmp_path: Path) -> None:
    display, network = claims_of(tmp_path, {GUEST: DOMAIN})
    assert display == (
        "libvirt",
        GUEST,
        5,
        "<hostdev mode='subsystem' type='pci' managed='yes'> 0000:0d:00.0",
        "guest win11",
        "vfio-pci",
        "takes",
        (DISPLAY,),
        (GUEST_START,),
        False,
    )
    assert (network.line, network.addresses) == (18, ("0000:03:00.0",))


def test_a_guest_that_starts_by_itself_takes_its_devices_at_boot(tmp_path: Path) -> None:
    link(tmp_path, "/etc/libvirt/qemu/autostart/win11.xml", GUEST)
    claims = claims_of(tmp_path, {GUEST: DOMAIN})
    assert {claim.applies_to for claim in claims} == {(EACH_BOOT, GUEST_START)}
    assert len(claims) == 2


def test_functions_of_a_network(tmp_path: Path) -> None:
    text = """\
<network>
  <name>pool</name>
  <forward mode='hostdev' managed='yes'>
    <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>
  </forward>
</network>
"""
    (claim,) = claims_of(tmp_path, {"/etc/libvirt/qemu/networks/pool.xml": text})
    assert (claim.line, claim.addresses, claim.origin) == (3, ("0000:03:00.0",), "guest pool")


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    laughs = "<!DOCTYPE a [" + "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 12))
    assert claims_of(tmp_path, {GUEST: f"{laughs}]>\n{DOMAIN}"}) == []


@given(st.text() | st.text("<>/='\" domainhostdevaddress\n0x"))
def test_no_definition_is_too_odd(text: str) -> None:
    _Definition(text)
    _Definition(DOMAIN.replace("0x0d", text.replace("'", "")))
    assert _Definition(DOMAIN + text).name == "win11"


def test_hooks_are_recognised_with_the_addresses_in_their_settings(tmp_path: Path) -> None:
    hooks = "/etc/libvirt/hooks"
    files = {
        f"{hooks}/qemu": '#!/bin/bash\nexec "$(dirname $0)/qemu.d/$1/$2/$3"\n',
        f"{hooks}/kvm.conf": "VIRSH_GPU_VIDEO=pci_0000_0d_00_0\n",
        f"{hooks}/qemu.d/win11/prepare/begin/bind.sh": (
            "#!/bin/bash\n. /etc/libvirt/hooks/kvm.conf\nmodprobe vfio-pci\nvirsh nodedev-detach $VIRSH_GPU_VIDEO\n"
        ),
        f"{hooks}/qemu.d/win11/release/end/unbind.sh": "#!/bin/bash\nvirsh nodedev-reattach $VIRSH_GPU_VIDEO\n",
    }
    claim = only(claims_of(tmp_path, files))
    assert claim[:5] == (
        "libvirt_hook",
        f"{hooks}/qemu.d/win11/prepare/begin/bind.sh",
        4,
        "virsh nodedev-detach $VIRSH_GPU_VIDEO",
        None,
    )
    assert (claim.driver, claim.effect, claim.addresses) == ("vfio-pci", "recognised", (DISPLAY,))
    assert claim.applies_to == (GUEST_START,)
