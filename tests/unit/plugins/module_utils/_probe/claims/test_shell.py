# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What shell scripts bind: commands with plain words, variables of plain words, and loops over them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims.functions import Functions
from ansible_collections.vfio.workstation.plugins.module_utils._probe.claims.shell import read_script
from ansible_collections.vfio.workstation.tests.machines.values import DESKTOP

FUNCTIONS = Functions(DESKTOP)
GPU, SOUND, DISPLAY = "0000:41:00.0", "0000:41:00.1", "0000:0d:00.0"
OVERRIDE = "/sys/bus/pci/devices/{}/driver_override"


def summary(text: str) -> list[tuple[int, str | None, str, tuple[str, ...]]]:
    return [(found.line.number, *found.meaning) for found in read_script(text, FUNCTIONS)]


@pytest.mark.parametrize(
    ("command", "driver", "addresses"),
    [
        (f"echo vfio-pci > {OVERRIDE.format(GPU)}", "vfio-pci", (GPU,)),
        (f"""echo "vfio-pci" >"{OVERRIDE.format(GPU)}" """, "vfio-pci", (GPU,)),
        (f"echo vfio-pci | sudo tee {OVERRIDE.format(GPU)} >/dev/null", "vfio-pci", (GPU,)),
        (f"printf vfio-pci >> {OVERRIDE.format(GPU)}", "vfio-pci", (GPU,)),
        (f"sh -c 'echo -n vfio-pci > {OVERRIDE.format(GPU)}'", "vfio-pci", (GPU,)),
        (f"echo nvidia > {OVERRIDE.format(GPU)}", "nvidia", (GPU,)),
        ("echo 1002 164e > /sys/bus/pci/drivers/vfio-pci/new_id", "vfio-pci", (DISPLAY,)),
        ('echo "10de 22ba 1043 88e2" > /sys/bus/pci/drivers/pci-stub/new_id', "pci-stub", ("0000:01:00.1", SOUND)),
        (f"echo {GPU} > /sys/bus/pci/drivers/vfio-pci/bind", "vfio-pci", (GPU,)),
        (f"driverctl set-override {GPU} vfio-pci", "vfio-pci", (GPU,)),
        (f"driverctl -v --nosave set-override {GPU} vfio-pci", "vfio-pci", (GPU,)),
        ("virsh nodedev-detach pci_0000_41_00_0", "vfio-pci", (GPU,)),
        ("virsh -c qemu:///system nodedev-dettach --device pci_0000_41_00_0", "vfio-pci", (GPU,)),
        ("dpdk-devbind.py -b vfio-pci 41:00.0 0d:00.0", "vfio-pci", (DISPLAY, GPU)),
        ("modprobe vfio-pci ids=1002:164e", "vfio-pci", (DISPLAY,)),
        ("/sbin/modprobe -v vfio_pci disable_vga=1 ids=1002:164e", "vfio-pci", (DISPLAY,)),
    ],
)
def test_commands(command: str, driver: str, addresses: tuple[str, ...]) -> None:
    assert summary(f"#!/bin/sh\nset -e\n{command}\n") == [(3, driver, "takes", addresses)]


LOOPS = [
    """\
DEVS='0000:41:00.0 0000:41:00.1'
for DEV in $DEVS; do echo vfio-pci > /sys/bus/pci/devices/$DEV/driver_override; done
""",
    """\
DEVS="0000:41:00.0
0000:41:00.1"
for DEV in ${DEVS}
do
    echo vfio-pci > /sys/bus/pci/devices/${DEV}/driver_override
done
""",
    """\
DEVS=(
    "0000:41:00.0"
    0000:41:00.1
)
for d in "${DEVS[@]}"; do
    echo "vfio-pci" > "/sys/bus/pci/devices/$d/driver_override"
done
""",
    """\
for DEV in 0000:41:00.0 0000:41:00.1; do
    echo vfio-pci > /sys/bus/pci/devices/$DEV/driver_override
done
""",
    """\
export GPU=0000:41:00.0
AUDIO=0000:41:00.1
D=vfio-pci
for x in $GPU $AUDIO; do driverctl set-override $x $D; done
""",
    """\
S=/sys/bus/pci/devices
for x in 41:00.0 41:00.1; do
    echo vfio-pci >\\
        $S/0000:$x/driver_override
done
""",
]


@pytest.mark.parametrize("text", LOOPS)
def test_loops_over_lists(text: str) -> None:
    addresses = {
        address
        for _line, driver, effect, found in summary(text)
        for address in found
        if (driver, effect) == ("vfio-pci", "takes")
    }
    assert addresses == {GPU, SOUND}


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("echo vfio-pci > $(find /sys -name 0000:0d:00.0)/driver_override", (DISPLAY,)),
        ('GPU="${i%/boot_vga}"\necho vfio-pci > "$GPU/driver_override"', ()),
        ("echo vfio-pci > /sys/bus/pci/devices/$1/driver_override", ()),
        ("vfio-pci-bind.sh 0000:41:00.0", (GPU,)),
        (f"# {DISPLAY} stays\nif lspci | grep -q vfio-pci; then handle {GPU}; fi", (GPU,)),
        ("echo vfio-pci " + "x" * 5000 + " > driver_override", ()),
    ],
)
def test_what_is_computed_is_recognised(text: str, addresses: tuple[str, ...]) -> None:
    ((_line, driver, effect, found),) = summary(text)
    assert (driver, effect, found) == ("vfio-pci", "recognised", addresses)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "echo hello",
        f"# echo vfio-pci > {OVERRIDE.format(GPU)}",
        f"echo > {OVERRIDE.format(GPU)}",  # takes an override back
        f"echo '' > {OVERRIDE.format(GPU)}",
        f"echo {GPU} > /sys/bus/pci/drivers/nvidia/unbind",
    ],
)
def test_what_binds_nothing(text: str) -> None:
    assert summary(text) == []


def test_to_load_the_driver_orders() -> None:
    assert summary("modprobe vfio\nmodprobe -a vfio_pci vfio\n") == [(2, "vfio-pci", "orders", ())]


def test_variables_that_name_each_other_come_to_an_end() -> None:
    text = "A=$B$B\nB=$A$A\necho vfio-pci > /sys/bus/pci/devices/$A/driver_override\n"
    assert [found[2] for found in summary(text)] == ["recognised"]


@given(st.text() | st.text("echo $AB=(){}>/'\"\n \\;vfio-pcidriver_override0:."))
def test_no_text_is_too_odd(text: str) -> None:
    read_script(text, FUNCTIONS)
    read_script(f"A={text}\necho vfio-pci > /sys/bus/pci/devices/$A/driver_override {text}", FUNCTIONS)
