# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trial boots with real GRUB: whatever goes wrong, the machine returns by itself and says why; a good one stays."""

from __future__ import annotations

import dataclasses
import json
import time
import typing

import pytest

from tests.integration.lab.boot_configuration import call, carry, tree
from tests.lab import Lab, Machine

pytestmark = [pytest.mark.lab]

PAGES = {"hugepages": [{"size": "2M", "count": 16, "at": "boot"}], "memory_for_host": "1G", "trial": True}
ARGUMENTS = "hugepagesz=2M hugepages=16 panic=30"
_RECORD = "/var/lib/vfio-workstation/trial.json"
# Seconds: a boot that fails, one that returns, and what the unit waits, on a busy computer.
_LIMIT = 1800
#: Units that damage a boot of the configuration, and no other.
_DAMAGE = """\
[Unit]
DefaultDependencies=no
ConditionKernelCommandLine=hugepages=16
After=sysinit.target
[Service]
ExecStart=/bin/sh -c '{command}'
[Install]
WantedBy=sysinit.target
"""
PANIC = "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"
SHORT = "echo 3 >/proc/sys/vm/nr_hugepages"
# Nothing but this runs from now on, on any processor: systemd does not reach the watchdog.
HANG = (
    "echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
    'for cpu in 0 1 2 3; do taskset -c $cpu chrt -f 99 sh -c "while :; do :; done" & done; wait'
)
# What systemd-boot starts by itself.
_DEFAULTS = "cd /sys/firmware/efi/efivars && sha256sum LoaderEntry[DO][en]*-* 2>/dev/null || true"
# The lab's network offers no gateway. This one never answers.
_ROUTE = """\
directory=/etc/systemd/network/lab.network.d
mkdir $directory && printf '[Network]\\nGateway=10.0.2.2\\n' >$directory/route.conf && sync
ip route add default via 10.0.2.2
"""
_NIC = """\
interface=$(ip -o route show default | sed 's/.* dev //; s/ .*//')
readlink -f /sys/class/net/$interface/device | grep -oE '[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]' | tail -n 1
"""


@dataclasses.dataclass(frozen=True)
class End:
    """How a trial ended, and what runs now."""

    phase: str
    reason: str
    journal: list[str]
    cmdline: str

    @property
    def is_stock(self) -> bool:
        """Whether the running kernel has none of the arguments."""
        return "hugepages" not in self.cmdline


def stage(machine: Machine, **more: typing.Any) -> None:
    """Have the next boot be the trial."""
    done = call(machine, "host", **{**PAGES, **more})
    assert not done.failed, done.values
    assert done.values["trial"]["phase"] == "staged"
    assert done.values["reboot_required"]


def damage(machine: Machine, command: str) -> None:
    """Damage the trial boot."""
    unit = _DAMAGE.format(command=command)
    machine.ssh("cat >/etc/systemd/system/damage.service && systemctl enable damage && sync", stdin=unit)


def repair(machine: Machine) -> None:
    """Take the damage away."""
    machine.ssh("systemctl disable damage && rm /etc/systemd/system/damage.service && sync")


def restart(machine: Machine) -> None:
    """Reboot it, and do not wait."""
    machine.ssh("systemctl reboot", check=False)


def await_start(machine: Machine) -> None:
    """Wait until the unit has found out that this boot is the trial: it starts after ssh."""
    machine.ssh(f"""timeout 600 sh -c 'until grep -q "\\"started\\"" {_RECORD}; do sleep 1; done'""", timeout=700)


def await_end(machine: Machine) -> End:
    """Wait for the end of a trial, in whatever boot that is; never touch the machine but to look."""
    assert machine.remote is not None
    deadline = time.monotonic() + _LIMIT
    last = ""
    while time.monotonic() < deadline:
        time.sleep(3)
        if not machine.remote.answers():
            continue
        done = machine.ssh(f"cat {_RECORD} && cat /proc/cmdline", check=False, timeout=300)
        if done.returncode != 0:
            machine.remote.hang_up()
            continue
        last = done.stdout
        text, _brace, cmdline = last.rpartition("}")
        record = json.loads(text + "}")
        end = End(record["phase"], record["reason"], record["journal"], cmdline.strip())
        # A trial that gave up is about to reboot.
        if end.phase == "confirmed" or (end.phase == "returned" and end.is_stock):
            return end
    raise AssertionError(f"The trial did not end. {last}\n{machine.serial_tail()}")


def up(machine: Machine) -> None:
    """Switch it on, with the modules in it."""
    machine.start()
    machine.wait_for_ssh()
    carry(machine)
    machine.reboot_after_panics()


def assert_returned(machine: Machine, reason: str) -> None:
    """It returned by itself, says why to whoever asks, and stays where it is."""
    end = await_end(machine)
    assert (end.phase, end.is_stock) == ("returned", True), end
    assert reason in end.reason, end
    refused = call(machine, "host", **PAGES)
    assert refused.codes == ["trial_returned"]
    assert reason in refused.values["refusals"][0]["seen"]
    assert reason in machine.ssh("vfio-workstation status --json").stdout
    # Without the code: the recorded request may override trial_returned.
    assert "returned" in machine.ssh("vfio-workstation status").stdout


@pytest.mark.parametrize("boot", ["uefi-grub", pytest.param("uefi-systemd-boot", marks=pytest.mark.slow)])
def test_a_panic_returns_and_a_good_configuration_stays(lab: Lab, boot: str) -> None:
    with lab.machine("desktop", lab.image(boot=boot)) as machine:
        up(machine)
        damage(machine, PANIC)
        stage(machine)
        restart(machine)
        assert_returned(machine, "the kernel panicked or hung")
        repair(machine)
        stage(machine, accept=["trial_returned"])
        machine.reboot()
        end = await_end(machine)
        assert (end.phase, end.cmdline.endswith(ARGUMENTS)) == ("confirmed", True)
        machine.reboot()
        assert machine.read("/proc/cmdline").endswith(ARGUMENTS)
        # The record of the request has the accepted codes.
        again = call(machine, "host", **PAGES, accept=["trial_returned"])
        assert (again.changed, again.values["states"]["active"]) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize("boot", ["uefi-grub", "bios-grub", "uefi-systemd-boot"])
def test_every_failure_returns_and_leaves_no_trace_when_removed(lab: Lab, boot: str) -> None:
    with lab.machine("desktop", lab.image(boot=boot)) as machine:
        up(machine)
        before = (tree(machine), machine.ssh(_DEFAULTS).stdout)

        damage(machine, SHORT)
        stage(machine)
        restart(machine)
        assert_returned(machine, "2M (hugepages): requested 16 pages on node 0, found 3 pages on node 0")

        # The watchdog of the emulated board, which systemd has stopped asking to wait.
        damage(machine, HANG)
        stage(machine, accept=["trial_returned"])
        restart(machine)
        assert_returned(machine, "the kernel panicked or hung")
        repair(machine)

        # A controller that does not come: it may have lost the machine.
        stage(machine, accept=["trial_returned"], trial_timeout=240)
        machine.ssh("vfio-workstation trial await-controller")
        restart(machine)
        assert_returned(machine, "no controller has confirmed it within 240 s")

        stage(machine, accept=["trial_returned"], trial_timeout=1200)
        machine.ssh("vfio-workstation trial await-controller")
        machine.reboot()
        assert machine.read("/proc/cmdline").endswith(ARGUMENTS)
        await_start(machine)
        machine.cut_power()
        machine.start()
        machine.wait_for_ssh()
        assert_returned(machine, "before it was verified")

        # A controller that comes.
        stage(machine, accept=["trial_returned"], trial_timeout=1200)
        machine.ssh("vfio-workstation trial await-controller")
        machine.reboot()
        assert call(machine, "host", **PAGES).changed
        assert await_end(machine).phase == "confirmed"
        assert "confirmed" in machine.ssh("vfio-workstation status").stdout

        assert call(machine, "host", state="absent").changed
        assert (tree(machine), machine.ssh(_DEFAULTS).stdout) == before


@pytest.mark.slow
def test_a_lost_network_returns(lab: Lab) -> None:
    """The NIC that the controller comes by is passed to guests, with the refusals overridden."""
    with lab.machine("desktop") as machine:
        up(machine)
        machine.ssh(_ROUTE)
        nic = {"name": "nic", "select": {"address": machine.ssh(_NIC).stdout.strip()}}
        accept = ["device_in_use", "group_shared_with_host"]
        stage(machine, devices=[nic], iommu={}, accept=accept)
        restart(machine)
        assert_returned(machine, "the host has lost its default route")
