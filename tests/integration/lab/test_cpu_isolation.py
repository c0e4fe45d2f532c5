# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic CPU isolation under a real systemd and a real kernel: it holds, and gives back all of it, however it ends."""

from __future__ import annotations

import shlex
import typing

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import CpuPlan
from ansible_collections.vfio.workstation.plugins.module_utils._plan.isolation import (
    SCRIPT_FILE,
    STATE,
    UNIT,
    isolation_files,
)
from tests.lab import Lab, Machine
from tests.lab.recipe import SPARE_FOLDER

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# desktop has two cores of two CPUs each.
HOST, GUESTS = (0, 1), (2, 3)

# Where its environment would have its effect, an irqbalance that only waits.
BALANCER = """\
[Service]
EnvironmentFile=-/etc/default/irqbalance
ExecStart=/bin/sleep infinity
"""
GUEST = "systemd-run --quiet --slice=machine.slice --unit=guest -p Delegate=yes -p AllowedCPUs=2-3 sleep infinity"

# What /proc calls them; the last is the waiting irqbalance.
DAEMONS = ("systemd", "systemd-udevd", "sleep")

# Everything that is changed. In emulation a call of systemctl takes a second: the fewer, the better.
SHOW = (
    "systemctl show -p Id -p AllowedCPUs -p EffectiveCPUs -p DropInPaths -p NeedDaemonReload"
    " system.slice user.slice init.scope machine.slice"
)
LOOK = f"""\
cd /sys/fs/cgroup
for file in {{system,user,machine}}.slice/cpuset.cpus* init.scope/cpuset.cpus* cgroup.subtree_control; do
    case $file in *.partition | *.exclusive* | *'*') ;; *) echo "$file=$(<$file)" ;; esac
done
echo "workqueues=$(</sys/devices/virtual/workqueue/cpumask)"
cd /proc/irq
echo "default=$(<default_smp_affinity)"
for irq in [0-9]*; do echo "irq $irq=$(<$irq/smp_affinity)"; done
pids=$(systemctl show -p MainPID --value systemd-udevd irqbalance)
for pid in 1 $pids; do
    echo "$(</proc/$pid/comm) may=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/$pid/status)"
    tr '\\0' '\\n' </proc/$pid/environ | grep ^IRQBALANCE
done
find /run/systemd -name '*AllowedCPUs*' -o -name '*vfio-workstation*' | sed 's/$/=/'
[ ! -e {STATE} ] || echo 'state='
"""


class Isolation:
    """The unit in a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        for file in isolation_files(CpuPlan(GUESTS, HOST, (), "dynamic", "because")):
            self.write(file.path, file.content)
            self.sh(f"chmod {file.mode:o} {file.path}")
        self.write("/etc/systemd/system/irqbalance.service", BALANCER)
        # What its administrator keeps it off.
        self.write("/etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=1\n")
        self.sh("systemctl daemon-reload; systemctl start irqbalance")

    def write(self, path: str, text: str) -> None:
        target = shlex.quote(path)
        self.machine.ssh(f'mkdir -p "$(dirname {target})" && cat >{target}', stdin=text)

    def sh(self, text: str, check: bool = True) -> str:
        return self.machine.ssh(["sh", "-c", text], check=check).stdout

    def look(self) -> dict[str, str]:
        shown, rest = self.machine.ssh("bash -s", stdin=f"{SHOW}; echo ---\n{LOOK}").stdout.split("---\n")
        found = dict(line.split("=", 1) for line in rest.splitlines())
        for block in shown.split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines())
            found.update({f"{values['Id']} {name}": value for name, value in values.items()})
        return found

    def held(self, now: dict[str, str]) -> bool:
        """Whether the host's processes and work queues keep off."""
        return now["workqueues"] == "3" and {now[f"{one} may"] for one in DAEMONS} == {"0-1"}

    def said(self) -> str:
        return self.sh(f"journalctl --unit={UNIT} --output=cat --no-pager")


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def isolation(lab: Lab, request: pytest.FixtureRequest) -> typing.Iterator[Isolation]:
    with lab.machine("desktop", lab.image(suite=request.param)) as machine:
        machine.start()
        machine.wait_for_ssh()
        yield Isolation(machine)
        assert machine.serial.faults() == []


@pytest.fixture
def before(isolation: Isolation) -> typing.Iterator[dict[str, str]]:
    """How everything is while nothing is held; and nothing is after the test."""
    found = isolation.look()
    assert found["default"] == found["workqueues"] == "f"
    assert (found["systemd may"], found["system.slice AllowedCPUs"]) == ("0-3", "")
    assert found["IRQBALANCE_BANNED_CPULIST"] == "1"
    yield found
    isolation.sh(f"systemctl stop {UNIT}")


def on_guests(mask: str) -> bool:
    return bool(int(mask.replace(",", ""), 16) & 0xC)


def same(one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether nothing differs but that a cpuset, which the kernel keeps from becoming empty, has all CPUs instead.

    That is so while others use cpusets too, such as a guest that still runs.
    """
    differing = {name for name in {*one, *other} if one.get(name) != other.get(name)}
    return all(name.endswith("/cpuset.cpus") and (one[name], other[name]) == ("", "0-3") for name in differing)


def test_it_holds_and_gives_back(isolation: Isolation, before: dict[str, str]) -> None:
    isolation.sh(GUEST)
    isolation.sh("systemd-run --quiet --slice=machine.slice --unit=free sleep infinity")
    isolation.sh("for n in 1 2; do systemd-run --quiet --unit=busy$n sh -c 'while :; do :; done'; done")
    with_guest = isolation.look()
    isolation.sh(f"systemctl start {UNIT}")
    now = isolation.look()
    assert isolation.held(now)
    for unit in ("system.slice", "user.slice", "init.scope"):
        assert now[f"{unit} AllowedCPUs"] == now[f"{unit}/cpuset.cpus.effective"] == "0-1"
    assert now["IRQBALANCE_BANNED_CPULIST"] == "2-3,1"
    assert now["default"] == "3"

    irqs = [name for name in before if name.startswith("irq ")]
    to_move = [name for name in irqs if on_guests(before[name])]
    left = [name for name in to_move if on_guests(now[name])]
    assert {now[name] for name in to_move if name not in left} == {"3"}
    assert f"Moved {len(to_move) - len(left)} interrupts off CPUs 2-3; {len(left)} can't be moved" in isolation.said()
    # Those are the kernel's: it takes no other place for them from anybody.
    assert 0 < len(left) < len(to_move) / 2
    refused = "if echo 3 >/proc/irq/{}/smp_affinity; then exit 1; fi 2>/dev/null"
    isolation.sh("; ".join(refused.format(name.split()[1]) for name in left))

    allowed = "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/$(systemctl show -p MainPID --value {})/status"
    assert isolation.sh(allowed.format("guest")).strip() == "2-3"
    assert isolation.sh(allowed.format("free")).strip() == "0-3"
    # Field 39 of proc(5)'s stat is the CPU that it ran on last.
    ran = (
        "for again in 1 2 3 4 5; do for n in 1 2; do"
        " cut -d' ' -f39 /proc/$(systemctl show -p MainPID --value busy$n)/stat; done; done"
    )
    assert set(isolation.sh(ran).split()) <= {"0", "1"}

    isolation.sh("systemctl stop free busy1 busy2")
    isolation.sh(f"systemctl stop {UNIT}")
    assert same(with_guest, isolation.look())
    isolation.sh("systemctl stop guest")
    assert isolation.look() == before


@pytest.mark.parametrize(
    "moment",
    [
        f"[ -d {STATE}.new ]",
        f"[ -d {STATE} ]",
        "[ -e /run/systemd/system.control/user.slice.d ]",
        "[ $(cat /sys/devices/virtual/workqueue/cpumask) = 3 ]",
        "[ $(cat /proc/irq/default_smp_affinity) = 3 ]",
    ],
)
def test_a_start_that_is_killed_gives_back(isolation: Isolation, before: dict[str, str], moment: str) -> None:
    race = (
        f"systemctl start --no-block {UNIT}; pid=0; "
        f'until [ "$pid" -gt 0 ]; do pid=$(systemctl show -p MainPID --value {UNIT}); done; '
        f"until {moment}; do :; done; kill -KILL $pid; "
        f"until systemctl is-failed --quiet {UNIT}; do sleep 0.2; done; systemctl show -p Result --value {UNIT}"
    )
    assert isolation.sh(f"timeout 120 sh -c {shlex.quote(race)}").strip() == "signal"
    assert isolation.look() == before
    isolation.sh(f"systemctl reset-failed {UNIT}")


def test_started_twice_by_systemd_and_by_hand(isolation: Isolation, before: dict[str, str]) -> None:
    isolation.sh(f"systemctl start {UNIT}")
    now = isolation.look()
    isolation.sh(f"systemctl start {UNIT} && {SCRIPT_FILE} start")
    assert isolation.look() == now
    assert isolation.held(now)
    isolation.sh(f"systemctl stop {UNIT}")
    assert isolation.look() == before


def test_stopped_without_a_start(isolation: Isolation, before: dict[str, str]) -> None:
    assert isolation.sh(f"systemctl stop {UNIT} && {SCRIPT_FILE} stop") == ""
    assert isolation.look() == before


def test_cpus_that_go_and_come(isolation: Isolation, before: dict[str, str]) -> None:
    online = "/sys/devices/system/cpu/cpu{}/online"
    for early, late in ((1, 2), (3, 1)):
        isolation.sh(f"echo 0 >{online.format(early)}; systemctl start {UNIT}")
        assert isolation.look()["workqueues"] == "3"
        isolation.sh(f"echo 1 >{online.format(early)}; echo 0 >{online.format(late)}; systemctl stop {UNIT}")
        isolation.sh(f"echo 1 >{online.format(late)}")
        assert isolation.look() == before


def test_an_interrupt_that_came_meanwhile(isolation: Isolation, before: dict[str, str]) -> None:
    driver = "/sys/bus/pci/drivers/snd_hda_intel"
    address = isolation.sh(f"cd {driver} && echo 0000:*").split()[0]
    isolation.sh(f"echo {address} >{driver}/unbind")
    without = isolation.look()
    isolation.sh(f"systemctl start {UNIT}; echo {address} >{driver}/bind")
    now = isolation.look()
    (new,) = (name for name in now if name.startswith("irq ") and name not in without)
    assert now[new] == "3"
    isolation.sh(f"systemctl stop {UNIT}")
    assert isolation.look()[new] == "f"
    assert before["default"] == "f"


def test_a_shutdown_while_it_holds(isolation: Isolation) -> None:
    isolation.sh(f"systemctl start {UNIT}")
    isolation.machine.reboot()
    isolation.sh("systemctl start irqbalance")
    assert isolation.look()["default"] == "f"
    assert isolation.sh(f"systemctl is-active {UNIT}", check=False).strip() == "inactive"


def test_what_somebody_allowed_comes_back(isolation: Isolation, before: dict[str, str]) -> None:
    """What it sets stays for the tests below."""
    isolation.write("/etc/systemd/system/system.slice.d/mine.conf", "[Slice]\nAllowedCPUs=0,2-3\n")
    isolation.sh("systemctl daemon-reload; systemctl set-property --runtime system.slice AllowedCPUs=0,2-3")
    isolation.sh("systemctl set-property user.slice AllowedCPUs=1-2; systemctl daemon-reload")
    theirs = isolation.look()
    assert theirs != before
    assert (theirs["system.slice/cpuset.cpus"], theirs["user.slice/cpuset.cpus"]) == ("0,2-3", "1-2")
    isolation.sh(f"systemctl start {UNIT}")
    for _again in range(2):
        now = isolation.look()
        assert (now["system.slice/cpuset.cpus"], now["user.slice/cpuset.cpus"]) == ("0", "1")
        assert (now["system.slice AllowedCPUs"], now["user.slice AllowedCPUs"]) == ("0", "1")
        isolation.sh("systemctl daemon-reload")
    isolation.sh(f"systemctl stop {UNIT}")
    assert same(theirs, isolation.look())


def test_irqbalance_itself_keeps_off(isolation: Isolation) -> None:
    """Debian's own, which places all interrupts anew some ten seconds after each start. It stays installed."""
    isolation.sh("systemctl disable --now irqbalance; rm /etc/systemd/system/irqbalance.service")
    before = allowed(isolation)
    isolation.sh(f"DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold {SPARE_FOLDER}/irqbalance/*.deb")
    isolation.sh("systemctl restart irqbalance")
    free = placed(isolation)
    # The kernel lets nobody move some, such as those of an NVMe disk's queues.
    moved = {irq for irq, cpus in free.items() if cpus != before.get(irq)}
    # It was told to leave CPU 1 alone, and uses the guests'.
    assert any(free[irq] <= {2, 3} for irq in moved)
    assert not any(1 in free[irq] for irq in moved)

    isolation.sh(f"systemctl start {UNIT}")
    held = placed(isolation)
    assert {irq: held[irq] for irq in moved if held[irq] != {0}} == {}

    isolation.sh(f"systemctl stop {UNIT}")
    back = placed(isolation)
    assert any(back[irq] <= {2, 3} for irq in moved)
    assert not any(1 in back[irq] for irq in moved)
    assert isolation.sh("systemctl show -p DropInPaths --value irqbalance").strip() == ""


def placed(isolation: Isolation) -> dict[str, set[int]]:
    """Which CPUs each interrupt may go to, when irqbalance had the time of two looks."""
    assert isolation.sh("systemctl is-active irqbalance").strip() == "active"
    isolation.sh("sleep 25")
    return allowed(isolation)


def allowed(isolation: Isolation) -> dict[str, set[int]]:
    """Which CPUs each interrupt may go to."""
    found = isolation.sh("cd /proc/irq; grep . [0-9]*/smp_affinity")
    masks = dict(line.split("/smp_affinity:") for line in found.splitlines())
    return {irq: {cpu for cpu in range(4) if int(mask, 16) >> cpu & 1} for irq, mask in masks.items()}


def test_without_cgroup_v2(lab: Lab) -> None:
    """systemd 252 still runs on the first version's groups, where it sets no cpusets: it says so, and does the rest."""
    with lab.machine("desktop", lab.image("bookworm")) as machine:
        machine.start()
        machine.wait_for_ssh()
        line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX systemd.unified_cgroup_hierarchy=0"'
        machine.ssh(f"echo '{line}' >/etc/default/grub.d/zz-cgroups.cfg && update-grub")
        machine.reboot()
        isolation = Isolation(machine)
        assert isolation.sh("stat -f -c %T /sys/fs/cgroup").strip() == "tmpfs"

        before = isolation.look()
        isolation.sh(f"systemctl start {UNIT}")
        held = isolation.look()
        assert "No cpuset controller of cgroup v2: the host's processes may still run on CPUs 2-3." in isolation.said()
        assert (held["workqueues"], held["default"], held["IRQBALANCE_BANNED_CPULIST"]) == ("3", "3", "2-3,1")
        assert {held[f"{one} may"] for one in DAEMONS} == {"0-3"}

        isolation.sh(f"systemctl stop {UNIT}")
        assert isolation.look() == before
