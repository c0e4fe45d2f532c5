# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""device_driver on a machine that runs: there and back, refused, and a driver that hangs, all as lspci sees it."""

from __future__ import annotations

import re
import time
import typing

import pytest

from tests import payload
from tests.integration.lab.boot_configuration import call, carry
from tests.lab import Machine

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.parametrize("machine", ["desktop"], indirect=True, scope="session"),
]

# Takes a function as a guest does (Documentation/driver-api/vfio.rst), and keeps it until it is killed.
_HOLDER = """
import fcntl, os, sys, time
GET_DEVICE, SET_CONTAINER, SET_IOMMU, TYPE1V2 = 0x3B6A, 0x3B68, 0x3B66, 3
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open("/dev/vfio/" + sys.argv[1], os.O_RDWR)
fcntl.ioctl(group, SET_CONTAINER, container.to_bytes(4, sys.byteorder))
fcntl.ioctl(container, SET_IOMMU, TYPE1V2)
device = fcntl.ioctl(group, GET_DEVICE, bytes(sys.argv[2], "ascii") + bytes(1))
print(os.getpid(), flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="session")
def carried(machine: Machine) -> Machine:
    """The machine with the modules in it."""
    carry(machine)
    return machine


def hand_over(machine: Machine, address: str, driver: str, **more: typing.Any) -> payload.Answer:
    # Emulated, and on a machine that does other things too, a step takes longer than on any real one.
    return call(machine, "device_driver", address=address, driver=driver, **{"timeout": 180, **more})


def lspci(machine: Machine, address: str) -> str | None:
    """The driver that lspci says has the function."""
    for line in machine.ssh(["lspci", "-Dk", "-s", address]).stdout.splitlines():
        name, _colon, value = line.strip().partition(": ")
        if name == "Kernel driver in use":
            return value
    return None


def binding(answer: payload.Answer) -> tuple[tuple[str | None, str | None], tuple[str | None, str | None]]:
    """Driver and override, before and after."""
    driver, override = answer.values["driver"], answer.values["driver_override"]
    return (driver["before"], override["before"]), (driver["after"], override["after"])


@pytest.mark.parametrize(("name", "function", "own"), [("second_nic", 0, "e1000e"), ("gpu_twin", 1, "snd_hda_intel")])
def test_there_and_back(carried: Machine, name: str, function: int, own: str) -> None:
    address, twin = carried.address(name, function), carried.address("gpu", 1)
    host, lent = (own, None), ("vfio-pci", "vfio-pci")
    kept = lspci(carried, twin)

    foretold = hand_over(carried, address, "vfio-pci", check=True)
    assert (foretold.changed, binding(foretold)) == (True, (host, lent)), foretold.values
    assert lspci(carried, address) == own
    done = hand_over(carried, address, "vfio-pci")
    assert not done.failed, done.values
    assert (done.changed, binding(done)) == (True, (host, lent))
    assert done.values["diff"] == foretold.values["diff"]
    assert lspci(carried, address) == "vfio-pci"
    assert lspci(carried, twin) == kept
    group = done.values["group"]
    assert {"address": address, "driver": "vfio-pci"} in group["members"]
    # The NIC is alone in its group; the host keeps the twin's display.
    assert group["usable"] == (function == 0)
    assert any("not free yet" in note for note in done.values["notes"]) == (function == 1)
    again = hand_over(carried, address, "vfio-pci")
    assert (again.failed, again.changed, binding(again)) == (False, False, (lent, lent))

    foretold = hand_over(carried, address, "auto", check=True)
    assert (foretold.changed, binding(foretold)) == (True, (lent, host)), foretold.values
    back = hand_over(carried, address, "auto")
    assert not back.failed, back.values
    assert (back.changed, binding(back)) == (True, (lent, host))
    assert lspci(carried, address) == own
    assert not hand_over(carried, address, "auto").changed

    without = hand_over(carried, address, "none")
    assert binding(without) == (host, (None, "none"))
    assert lspci(carried, address) is None
    assert binding(hand_over(carried, address, own)) == ((None, "none"), (own, own))
    assert binding(hand_over(carried, address, "auto")) == ((own, own), host)
    assert carried.serial.faults() == []


@pytest.mark.parametrize(
    ("name", "driver", "codes", "words"),
    [
        ("root_disk", "vfio-pci", ["device_in_use"], "mount / "),
        ("nic", "vfio-pci", ["device_in_use"], "ssh session "),
        ("nic", "none", ["device_in_use"], "ssh session "),
        ("display", "vfio-pci", ["device_is_boot_display"], "boot display"),
        ("second_nic", "vfio-pcy", ["driver_unknown"], "vfio-pcy"),
    ],
)
def test_refused(carried: Machine, name: str, driver: str, codes: list[str], words: str) -> None:
    address = carried.address(name)
    before = lspci(carried, address)
    refused = hand_over(carried, address, driver)
    assert (refused.failed, refused.codes) == (True, codes), refused.values
    assert words in refused.values["msg"]
    assert lspci(carried, address) == before
    assert carried.read(f"/sys/bus/pci/devices/{address}/driver_override") in ("", "(null)")


def test_a_driver_that_does_not_take_it(carried: Machine) -> None:
    """It is no virtio device: the old driver has it again, and the message has the kernel's reason."""
    address = carried.address("second_nic")
    failed = hand_over(carried, address, "virtio-pci")
    assert failed.failed
    assert "was not handed to virtio-pci" in failed.values["msg"]
    assert "It is as it was: on e1000e" in failed.values["msg"], failed.values
    assert failed.values["changed"] is False
    assert lspci(carried, address) == "e1000e"


def test_a_driver_that_hangs(carried: Machine) -> None:
    """vfio-pci does not let go of what a guest has: that is refused, told when asked for all the same, and mended."""
    address = carried.address("second_nic")
    lent = hand_over(carried, address, "vfio-pci")
    assert not lent.failed, lent.values
    number = lent.values["group"]["number"]
    carried.ssh("cat >/root/holder.py", stdin=_HOLDER)
    carried.ssh(f"setsid python3 /root/holder.py {number} {address} >/root/holder.log 2>&1 </dev/null &")
    holder = carried.ssh(
        "for i in $(seq 60); do sleep 1; test -s /root/holder.log && break; done; cat /root/holder.log"
    )
    process = holder.stdout.strip()
    assert process.isdigit(), holder.stdout

    refused = hand_over(carried, address, "auto")
    assert refused.codes == ["device_in_use"], refused.values
    assert f"virtual machine python3 ({process})" in refused.values["msg"]
    began = time.monotonic()
    hangs = hand_over(carried, address, "auto", accept=["device_in_use"], timeout=20)
    assert hangs.failed
    assert time.monotonic() - began < 300
    assert f"{address}: vfio-pci hangs" in hangs.values["msg"], hangs.values
    left = re.search(r"Process ([0-9]+) is left behind", hangs.values["msg"])
    assert left is not None
    # While it hangs, the module neither hangs too nor makes it worse.
    assert hand_over(carried, address, "auto", timeout=20).codes == ["driver_hangs"]

    carried.ssh(["kill", "-9", process])
    carried.ssh(f"for i in $(seq 60); do test -e /proc/{left[1]} || break; sleep 1; done")
    back = hand_over(carried, address, "auto")
    assert not back.failed, back.values
    assert lspci(carried, address) == "e1000e"
