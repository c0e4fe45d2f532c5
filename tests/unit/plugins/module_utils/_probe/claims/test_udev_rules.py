# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims of udev rules: which functions they match, and what they bind them to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.claims import EACH_BOOT, NEW_IMAGES, Claim
from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import Binding
from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import LISTINGS_FILE
from ansible_collections.vfio.workstation.plugins.module_utils._plan.relocation import twins_of
from ansible_collections.vfio.workstation.plugins.module_utils._plan.select import identity_of
from ansible_collections.vfio.workstation.plugins.module_utils._plan.udev_rule import RULE_FILE, rule_text
from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims.udev_matches import Rules
from ansible_collections.vfio.workstation.tests.machines.claimed import claims_of
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP, machine

RULES = "/etc/udev/rules.d/10-vfio.rules"
FIRST, GPU, SOUND, DISPLAY = "0000:01:00.0", "0000:41:00.0", "0000:41:00.1", "0000:0d:00.0"
GPUS = (FIRST, GPU)
DISPLAYS = (FIRST, DISPLAY, GPU)
BIND = 'ATTR{driver_override}="vfio-pci"'


def of(root: Path, text: str, path: str = RULES) -> list[Claim]:
    return claims_of(root, {path: text})


@pytest.mark.parametrize(
    ("matches", "addresses"),
    [
        ('KERNEL=="0000:41:00.0"', (GPU,)),
        ('KERNEL=="0000:41:00.[01]"', (GPU, SOUND)),
        ('KERNEL=="0000:41:00.0|0000:0d:00.0"', (DISPLAY, GPU)),
        ('KERNELS=="0000:41:00.1"', (SOUND,)),
        ('KERNELS=="0000:00:03.1", ATTR{class}=="0x03*"', (GPU,)),
        ('SUBSYSTEM=="pci", ATTR{vendor}=="0x10de", ATTR{device}=="0x2684"', GPUS),
        ('SUBSYSTEM=="pci", ATTR{vendor}=="0x10de", ATTR{class}!="0x030000"', ("0000:01:00.1", SOUND)),
        ('ACTION=="add", SUBSYSTEM=="pci", ATTR{class}=="0x030000", ATTR{boot_vga}=="0"', GPUS),
        ('ACTION=="add|change", KERNEL=="0000:41:00.0"', (GPU,)),
        ('ATTRS{vendor}=="0x10de", ATTRS{class}=="0x030000"', GPUS),
        ('ENV{PCI_ID}=="10DE:2684"', GPUS),
        ('ENV{PCI_ID}=="10DE:2684", ENV{PCI_SUBSYS_ID}=="1043:88E2", ENV{PCI_SLOT_NAME}=="0000:41:*"', (GPU,)),
        ('ENV{PCI_CLASS}=="30000"', DISPLAYS),
        ('ENV{MODALIAS}=="pci:v000010DEd00002684*"', GPUS),
        ('ATTR{subsystem_vendor}=="0x1043", ATTR{subsystem_device}=="0x88e2", ATTR{device}=="0x2684"', GPUS),
        ('KERNEL=="0000:99:00.0"', ()),
        ('SUBSYSTEM=="usb"', ()),
        ('ACTION=="remove"', ()),
    ],
)
def test_matches(tmp_path: Path, matches: str, addresses: tuple[str, ...]) -> None:
    text = f"{matches}, {BIND}"
    assert of(tmp_path, f"# by hand\n{text}\n") == [
        Claim("udev_rule", RULES, 2, text, None, "vfio-pci", "takes", addresses, (EACH_BOOT, NEW_IMAGES), False)
    ]


@pytest.mark.parametrize(
    "match",
    [
        'PROGRAM=="/usr/local/bin/decide", RESULT=="yes"',
        'TEST=="/etc/passthrough"',
        'ENV{passthrough}=="1"',
        'ENV{passthrough}!="1"',
        'DRIVER!="vfio-pci"',
        'ATTR{numa_node}=="0"',
        'ACTION=="bind"',
    ],
)
def test_what_is_unknown_before_the_event_is_recognised(tmp_path: Path, match: str) -> None:
    (claim,) = of(tmp_path, f'KERNEL=="0000:41:00.0", {match}, {BIND}\n')
    assert (claim.effect, claim.addresses) == ("recognised", (GPU,))


@pytest.mark.parametrize(
    ("rule", "driver", "addresses"),
    [
        ('ATTR{[pci/0000:0d:00.0]driver_override}="vfio-pci"', "vfio-pci", (DISPLAY,)),
        ('ATTR{[drivers/pci:vfio-pci]new_id}="1002 164e"', "vfio-pci", (DISPLAY,)),
        ('KERNEL=="0000:0d:00.0", ATTR{[drivers/pci:vfio-pci]bind}="$kernel"', "vfio-pci", (DISPLAY,)),
        ('KERNEL=="0000:41:00.0", ATTR{driver_override}="pci-stub"', "pci-stub", (GPU,)),
        ('KERNEL=="0000:41:00.0", ATTR{driver_override}="nvidia"', "nvidia", (GPU,)),
        (
            "RUN+=\"/bin/sh -c 'echo 10de 2684 > /sys/bus/pci/drivers/vfio-pci/new_id'\"",
            "vfio-pci",
            GPUS,
        ),
        (
            (
                'KERNEL=="0000:41:00.*", '
                "RUN+=\"/bin/sh -c 'echo vfio-pci > /sys/bus/pci/devices/$kernel/driver_override'\""
            ),
            "vfio-pci",
            (GPU, SOUND),
        ),
        (
            'ATTR{device}=="0x2684", RUN+="/bin/sh -c \'echo vfio-pci > /sys%p/driver_override\'"',
            "vfio-pci",
            GPUS,
        ),
        (
            'ATTR{device}=="0x164e", RUN+="/bin/sh -c \'echo vfio-pci > /sys$devpath/driver_override\'"',
            "vfio-pci",
            (DISPLAY,),
        ),
        ('KERNEL=="0000:41:00.0", RUN+="/usr/sbin/driverctl set-override %k vfio-pci"', "vfio-pci", (GPU,)),
    ],
)
def test_actions(tmp_path: Path, rule: str, driver: str, addresses: tuple[str, ...]) -> None:
    (claim,) = of(tmp_path, rule + "\n")
    assert (claim.driver, claim.effect, claim.addresses) == (driver, "takes", addresses)


@pytest.mark.parametrize(
    "rule",
    [
        'KERNEL=="0000:41:00.0", ATTR{driver_override}==""',
        'KERNEL=="0000:41:00.0", ATTR{driver_override}=""',
        'KERNEL=="0000:41:00.0", ATTR{power/control}="auto"',
        f'# KERNEL=="0000:41:00.0", {BIND}',
        'SUBSYSTEM=="vfio", OWNER="user"',
        'KERNEL=="0000:41:00.0", RUN+="/usr/bin/logger vfio"',
        'ACTION=="add", TEST=="/etc/driverctl.d/$env{SUBSYSTEM}-$kernel", TAG+="systemd"',
    ],
)
def test_what_binds_nothing(tmp_path: Path, rule: str) -> None:
    assert of(tmp_path, rule + "\n") == []


def test_rules_that_are_skipped_bind_nothing(tmp_path: Path) -> None:
    text = f"""\
SUBSYSTEM!="pci", GOTO="end"
ATTR{{vendor}}=="0x10de", GOTO="nvidia"
{BIND}, ATTR{{class}}=="0x030000"
LABEL="nvidia", ATTR{{class}}=="0x040300", \\
  {BIND}
LABEL="end"
GOTO="end"
"""
    first, second = of(tmp_path, text)
    assert (first.line, first.effect, first.addresses) == (3, "takes", (DISPLAY,))
    assert (second.line, second.effect, second.addresses) == (4, "takes", ("0000:01:00.1", SOUND))


def test_a_jump_that_depends_on_what_is_unknown_leaves_a_doubt(tmp_path: Path) -> None:
    text = (
        f'ENV{{gate}}!="1", GOTO="end"\nKERNEL=="0000:41:00.0", {BIND}\nLABEL="end"\nKERNEL=="0000:0d:00.0", {BIND}\n'
    )
    effects = {claim.addresses: claim.effect for claim in of(tmp_path, text)}
    assert effects == {(GPU,): "recognised", (DISPLAY,): "takes"}


def test_a_script_is_read_and_concerns_what_the_rule_matches(tmp_path: Path) -> None:
    script = "#!/bin/sh\necho vfio-pci > /sys/bus/pci/devices/$1/driver_override\n"
    files = {
        RULES: 'KERNEL=="0000:41:00.0", RUN+="/usr/local/bin/take $kernel"\n',
        "/usr/local/bin/take": script,
    }
    (claim,) = claims_of(tmp_path, files)
    assert claim[:5] == (
        "udev_rule",
        "/usr/local/bin/take",
        2,
        "echo vfio-pci > /sys/bus/pci/devices/$1/driver_override",
        f"run by {RULES}, line 1",
    )
    assert (claim.driver, claim.effect, claim.addresses) == ("vfio-pci", "recognised", (GPU,))


def test_folders_and_their_precedence(tmp_path: Path) -> None:
    rule = f'KERNEL=="{GPU}", {BIND}\n'
    other = f'KERNEL=="{DISPLAY}", {BIND}\n'
    files = {
        "/usr/lib/udev/rules.d/10-a.rules": other,
        "/run/udev/rules.d/10-a.rules": rule,
        "/usr/local/lib/udev/rules.d/20-b.rules": rule,
        "/lib/udev/rules.d/30-c.rules": rule,
        "/usr/lib/udev/rules.d/40-d.rules": other,
        "/etc/udev/rules.d/40-d.rules": "",
        "/etc/udev/rules.d/50-e.rules.off": other,
    }
    assert [claim.path for claim in claims_of(tmp_path, files)] == [
        "/run/udev/rules.d/10-a.rules",
        "/usr/local/lib/udev/rules.d/20-b.rules",
        "/lib/udev/rules.d/30-c.rules",
    ]


@pytest.mark.parametrize("place", ["etc/udev/rules.d/10-vfio.rules", "usr/lib/udev/rules.d/10-vfio.rules"])
@pytest.mark.parametrize(
    ("generator", "new"), [("initramfs-tools", (NEW_IMAGES,)), ("dracut", (NEW_IMAGES,)), ("mkinitcpio", ())]
)
def test_images_that_have_a_rule(tmp_path: Path, generator: str, new: tuple[str, ...], place: str) -> None:
    image = tmp_path / "boot/initrd.img"
    image.parent.mkdir()
    image.write_bytes(b"image")
    status = image.stat()
    stamp = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
    cache = {"/boot/initrd.img": {"status": stamp, "request": "", "names": [place]}}
    files = {RULES: f'KERNEL=="{GPU}", {BIND}\n', LISTINGS_FILE: json.dumps(cache)}
    (claim,) = claims_of(tmp_path, files, boot=machine().boot._replace(initramfs_generator=generator))
    assert claim.applies_to == (EACH_BOOT, "/boot/initrd.img", *new)


def test_the_rule_of_this_collection_is_managed(tmp_path: Path) -> None:
    host = machine()
    bindings = [
        Binding("gpu", address, identity_of(DESKTOP[address]), "selected", "function", twins_of(host, address))
        for address in (GPU, SOUND)
    ]
    claims = of(tmp_path, rule_text(bindings), RULE_FILE)
    assert {claim.addresses for claim in claims if claim.effect == "takes"} == {(GPU,), (SOUND,)}
    assert {(claim.driver, claim.managed) for claim in claims} == {("vfio-pci", True)}
    assert {claim.effect for claim in claims} == {"takes", "orders"}


def test_a_host_with_thousands_of_functions_comes_to_an_end() -> None:
    functions = {f"0000:{number >> 5:02x}:{number & 31:02x}.0": DESKTOP[GPU] for number in range(4000)}
    rules = Rules('SUBSYSTEM!="pci", GOTO="end"\n' * 50 + BIND + '\nLABEL="end"\n', functions)
    assert len(rules.matching(50)[0]) == 4000


@given(st.text() | st.text('KERNELATR{}[]=!+,"|*\n \\:0-9driver_overrideGOTOLABEL'))
def test_no_text_is_too_odd(text: str) -> None:
    rules = Rules(f'{text}\nKERNEL=="{GPU}", GOTO="{text}"\n{BIND}\n', DESKTOP)
    for position in range(len(rules.rules)):
        rules.matching(position)
