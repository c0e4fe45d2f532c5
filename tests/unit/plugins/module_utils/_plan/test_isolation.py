# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script of dynamic CPU isolation, run on a tree of files: what it changes, and that it restores everything."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import CpuPlan
from ansible_collections.vfio.workstation.plugins.module_utils._plan.isolation import (
    SCRIPT_FILE,
    UNIT_FILE,
    isolation_files,
    mask_text,
)

UNITS = ("system.slice", "user.slice", "init.scope")
# Readable, but not writable even for root: 0x65536 is a mask of CPUs 1, 2, 4, 5 and more.
NOT_WRITABLE = "/proc/sys/kernel/ngroups_max"

# The part of systemctl(1) that the script calls. Like the real one, it may fail to clear a cpuset.
# The verb in the file `fails` fails once.
SYSTEMCTL = r"""#!/bin/sh
units=@root@/units
printf '%s\n' "$*" >>@root@/calls
! grep -qxF "$1" @root@/fails 2>/dev/null || { rm @root@/fails && exit 1; }
case $1 in
    show)
        case $2 in
            *=MainPID) echo 1234 ;;
            *) cat "$units/$4" 2>/dev/null || echo ;;
        esac
        ;;
    set-property)
        value=${4#AllowedCPUs=} group=@root@/sys/fs/cgroup/$3
        printf '%s\n' "$value" >"$units/$3"
        case $3 in *.scope) folder=transient ;; *) folder=system.control ;; esac
        mkdir -p "@root@/run/systemd/$folder/$3.d" "$group"
        printf 'AllowedCPUs=%s\n' "$value" >"@root@/run/systemd/$folder/$3.d/50-AllowedCPUs.conf"
        if [ "$value" ]; then
            printf '%s\n' "$value" >"$group/cpuset.cpus"
        else
            cat "$group/cpuset.cpus" >>@root@/taken 2>/dev/null
            [ -e @root@/forgetful ] || rm -f "$group/cpuset.cpus"
        fi
        ;;
    is-active) [ -e @root@/proc/1234/environ ] ;;
    is-system-running) echo running ;;
    try-restart) cat @root@/run/systemd/system/irqbalance.service.d/* >@root@/dropin 2>/dev/null || : >@root@/dropin ;;
    daemon-reload | reset-failed) ;;
    *) exit 64 ;;
esac
"""
# Replaces a tool, and kills the script after call number $KILL_AT.
KILLER = r"""#!/bin/sh
@real@ "$@"
status=$?
count=$(($(cat @root@/count) + 1))
echo "$count" >@root@/count
[ "$count" != "$KILL_AT" ] || kill -9 "$(cat @root@/pid)"
exit "$status"
"""


class UnitFile(configparser.ConfigParser):
    """A parser that keeps the case of names."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def plan(guests: tuple[int, ...], host: tuple[int, ...], mode: str = "dynamic") -> CpuPlan:
    return CpuPlan(guests, host, (), mode, "because")


def script(guests: tuple[int, ...] = (2, 3), host: tuple[int, ...] = (0, 1)) -> str:
    _unit, file = isolation_files(plan(guests, host))
    return file.content


class Host:
    """A tree of files like a machine's, with the script in it."""

    def __init__(self, root: Path, guests: tuple[int, ...] = (2, 3), host: tuple[int, ...] = (0, 1)) -> None:
        self.root = root
        for folder in ("bin", "units", "run", "sys/devices/virtual/workqueue", "sys/fs/cgroup", "proc/irq"):
            (root / folder).mkdir(parents=True)
        self.put("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory")
        self.put("sys/devices/virtual/workqueue/cpumask", "f")
        self.put("sys/devices/system/cpu/possible", "0-3")
        self.put("proc/irq/default_smp_affinity", "f")
        self.tool("systemctl", SYSTEMCTL)
        rooted = re.sub(r"(?<![\w$}])/(?=(?:sys|proc|run)/)", f"{root}/", script(guests, host))
        (root / "script").write_text(rooted)

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n")

    def get(self, path: str) -> str:
        return (self.root / path).read_text().rstrip("\n")

    def irq(self, number: int) -> str:
        return self.get(f"proc/irq/{number}/smp_affinity")

    def put_irq(self, number: int, mask: str) -> None:
        self.put(f"proc/irq/{number}/smp_affinity", mask)

    def tool(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text.replace("@root@", str(self.root)))
        path.chmod(0o755)

    def run(self, word: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "KILL_AT": str(kill_at)}
        self.put("count", "0")
        argv = ["sh", "-c", f"echo $$ >{self.root}/pid; exec sh {self.root}/script {word}"]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def works(self, word: str) -> str:
        done = self.run(word)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def state(self) -> dict[str, str]:
        """Return the content of every file of the machine by path."""
        texts = {}
        for top in ("units", "run", "sys", "proc"):
            for path in sorted((self.root / top).rglob("*")):
                texts[str(path.relative_to(self.root))] = path.read_text() if path.is_file() else ""
        # A property that systemd never had is the same as one that is empty.
        return {path: text for path, text in texts.items() if not path.startswith("units/") or text.strip()}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    machine = Host(tmp_path)
    for unit in UNITS:
        (tmp_path / "sys/fs/cgroup" / unit).mkdir()
    for folder in ("system.control", "transient", "system"):
        (tmp_path / "run/systemd" / folder).mkdir(parents=True)
    for number, mask in {0: "f", 7: "c", 40: "1", 41: "4", 56: "a"}.items():
        machine.put_irq(number, mask)
    return machine


def balancer(host: Host, *environment: str) -> None:
    (host.root / "proc/1234").mkdir()
    (host.root / "proc/1234/environ").write_text("".join(f"{setting}\0" for setting in ("LANG=C", *environment)))


def test_nothing_without_guests_or_in_boot_mode() -> None:
    assert isolation_files(plan((), (0, 1))) == ()
    assert isolation_files(plan((2, 3), (0, 1), "boot")) == ()


def test_the_unit_restores_the_state_however_it_ends_and_is_not_started_at_boot() -> None:
    unit, script_file = isolation_files(plan((2, 3), (0, 1)))
    assert (unit.path, unit.mode, script_file.path, script_file.mode) == (UNIT_FILE, 0o644, SCRIPT_FILE, 0o755)
    parsed = UnitFile()
    parsed.read_string(unit.content)
    assert parsed.sections() == ["Unit", "Service"]
    service = dict(parsed["Service"])
    assert service.pop("TimeoutSec")
    assert service == {
        "Type": "oneshot",
        "RemainAfterExit": "yes",
        "ExecStart": f"/bin/sh {SCRIPT_FILE} start",
        "ExecStopPost": f"/bin/sh {SCRIPT_FILE} stop",
    }
    assert parsed["Unit"]["Description"] == "Reserve CPUs 2-3 for guests"


def test_shellcheck_finds_no_problem() -> None:
    done = subprocess.run(["shellcheck", "-"], input=script(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_mask_has_words_of_eight_digits(cpus: set[int]) -> None:
    first, *rest = mask_text(cpus).split(",")
    assert all(len(word) == 8 for word in rest)
    assert 1 <= len(first) <= 8
    assert int(first, 16) > 0
    assert int(first + "".join(rest), 16) == sum(1 << cpu for cpu in cpus)


def test_masks_of_known_machines() -> None:
    assert mask_text([2, 3]) == "c"
    assert mask_text([31]) == "80000000"
    assert mask_text([32]) == "00000001,00000000"
    assert mask_text([63, 64]) == "00000001,80000000,00000000"


def test_start_keeps_the_host_off_and_stop_restores_everything(host: Host) -> None:
    before = host.state()
    output = host.works("start")
    assert [host.get(f"sys/fs/cgroup/{unit}/cpuset.cpus") for unit in UNITS] == ["0-1"] * 3
    assert host.get("sys/devices/virtual/workqueue/cpumask") == "00000003"
    assert host.get("proc/irq/default_smp_affinity") == "00000003"
    # An interrupt without any CPU left gets all of the host's; one without a CPU of guests is not changed.
    assert {number: host.irq(number) for number in (0, 7, 40, 41, 56)} == {
        0: "00000003",
        7: "3",
        40: "1",
        41: "3",
        56: "00000002",
    }
    assert "Moved 4 interrupts off CPUs 2-3; 0 can't be moved" in output
    assert "CPUs 2-3 are available to the host again" in host.works("stop")
    assert host.state() == before
    # systemd must reload after the files were removed.
    calls = host.get("calls").splitlines()
    assert "daemon-reload" in calls[-1 - calls[::-1].index("set-property --runtime init.scope AllowedCPUs=") :]
    assert not any("irqbalance" in call for call in calls if not call.startswith("is-active"))


def test_machine_slice_is_not_changed(host: Host) -> None:
    host.works("start")
    assert "machine.slice" not in host.get("calls")


def test_stop_without_start_does_nothing(host: Host) -> None:
    before = host.state()
    assert host.works("stop") == ""
    assert host.state() == before
    assert not (host.root / "calls").exists()


def test_all_cpusets_are_restricted_before_they_are_cleared(host: Host) -> None:
    before = host.state()
    host.works("start")
    # As after a start that was killed before this unit.
    host.put("sys/fs/cgroup/init.scope/cpuset.cpus", "0-3")
    host.works("stop")
    assert host.get("taken").split() == ["0-1"] * 3
    assert host.state() == before


def test_two_starts_and_one_stop(host: Host) -> None:
    before = host.state()
    host.works("start")
    isolated = host.state()
    host.works("start")
    assert host.state() == isolated
    host.works("stop")
    assert host.state() == before


@pytest.mark.parametrize("word", ["", "restart"])
def test_an_unknown_command_is_refused(host: Host, word: str) -> None:
    before = host.state()
    done = host.run(word)
    assert (done.returncode, done.stdout) == (2, f"cpu-isolation: expected start or stop, found '{word}'\n")
    assert host.state() == before


@pytest.mark.parametrize("word", ["start", "stop"])
def test_killed_anywhere_everything_is_restored(host: Host, word: str) -> None:
    balancer(host)
    before = host.state()
    host.works("start")
    isolated = host.state()
    host.works("stop")
    for name in ("mkdir", "mv", "rm", "tr"):
        host.tool(name, KILLER.replace("@real@", f"/bin/{name}"))
    real = host.root / "systemctl"
    (host.root / "bin/systemctl").rename(real)
    host.tool("systemctl", KILLER.replace("@real@", str(real)))
    for kill_at in range(1, 100):
        if word == "stop":
            host.works("start")
        if host.run(word, kill_at).returncode != -9:
            break
        if kill_at % 4 == 0:
            host.works("start")
            assert host.state() == isolated
        host.works("stop")
        assert host.state() == before
    # The last run was not killed, after many that were.
    assert kill_at > 10
    assert host.state() == (isolated if word == "start" else before)


@pytest.mark.parametrize("verb", ["set-property", "daemon-reload", "try-restart", "show"])
def test_a_start_that_fails_restores_everything(host: Host, verb: str) -> None:
    balancer(host)
    before = host.state()
    host.put("fails", verb)
    assert host.run("start").returncode == 1
    assert not (host.root / "fails").exists()
    assert host.state() == before


def test_the_start_fails_if_work_queues_can_not_be_restricted(host: Host) -> None:
    (host.root / "sys/devices/virtual/workqueue/cpumask").unlink()
    (host.root / "sys/devices/virtual/workqueue/cpumask").symlink_to(NOT_WRITABLE)
    done = host.run("start")
    assert done.returncode == 1
    assert re.search(r"Could not write [0-9a-f,]+ to \S*/workqueue/cpumask\.", done.stdout)
    assert "Not restored: workqueues." in done.stdout
    assert [host.irq(number) for number in (0, 7, 40, 41, 56)] == ["f", "c", "1", "4", "a"]
    assert not (host.root / "sys/fs/cgroup/system.slice/cpuset.cpus").exists()


def test_a_stop_that_fails_restores_the_rest_and_can_be_repeated(host: Host) -> None:
    before = host.state()
    host.works("start")
    host.put("fails", "set-property")
    done = host.run("stop")
    assert done.returncode == 1
    assert "Not restored: system.slice." in done.stdout
    assert host.irq(0) == "f"
    assert not (host.root / "sys/fs/cgroup/user.slice/cpuset.cpus").exists()
    host.works("stop")
    assert host.state() == before


def test_foreign_limits_stay_in_effect_and_are_restored(host: Host) -> None:
    for unit, cpus in zip(UNITS, ["1-2", "2-3", "0-1 3"], strict=True):
        host.put(f"units/{unit}", cpus)
        host.put(f"sys/fs/cgroup/{unit}/cpuset.cpus", cpus)
    # One limit is set with set-property --runtime, the others in unit files.
    host.put("run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf", "AllowedCPUs=1-2")
    before = host.state()
    host.works("start")
    assert [host.get(f"units/{unit}") for unit in UNITS] == ["1", "0-1", "0 1"]
    # After a daemon-reload the drop-ins apply, as they sort after those of others.
    texts = [host.get(f"run/systemd/system/{unit}.d/zz-vfio-workstation.conf") for unit in UNITS]
    assert texts == [
        "[Slice]\nAllowedCPUs=\nAllowedCPUs=1",
        "[Slice]\nAllowedCPUs=\nAllowedCPUs=0-1",
        "[Scope]\nAllowedCPUs=\nAllowedCPUs=0 1",
    ]
    assert host.get("calls").splitlines()[-1] == "daemon-reload"
    host.works("stop")
    assert host.state() == before


@pytest.mark.parametrize("cpus", ["", "0-3"])
def test_a_cpuset_that_systemd_does_not_clear_is_cleared(host: Host, cpus: str) -> None:
    host.put("forgetful", "")
    for unit in UNITS:
        host.put(f"sys/fs/cgroup/{unit}/cpuset.cpus", cpus)
    before = host.state()
    host.works("start")
    assert host.get("sys/fs/cgroup/user.slice/cpuset.cpus") == "0-1"
    host.works("stop")
    assert host.state() == before


def test_without_cgroup_v2_only_processes_are_not_restricted(host: Host) -> None:
    (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    before = host.state()
    assert "No cpuset controller of cgroup v2" in host.works("start")
    assert "AllowedCPUs" not in host.get("calls")
    assert host.irq(0) == "00000003"
    host.works("stop")
    assert host.state() == before


def test_without_a_work_queue_mask_only_work_queues_are_not_restricted(host: Host) -> None:
    (host.root / "sys/devices/virtual/workqueue/cpumask").unlink()
    before = host.state()
    assert "its unbound work may still run on CPUs 2-3" in host.works("start")
    assert host.irq(0) == "00000003"
    host.works("stop")
    assert host.state() == before


def test_interrupts_that_can_not_be_moved_are_counted(host: Host) -> None:
    (host.root / "proc/irq/99").mkdir()
    (host.root / "proc/irq/99/smp_affinity").symlink_to(NOT_WRITABLE)
    assert "Moved 4 interrupts off CPUs 2-3; 1 can't be moved" in host.works("start")
    host.works("stop")
    assert host.irq(0) == "f"


def test_interrupts_may_appear_and_disappear(host: Host) -> None:
    host.works("start")
    (host.root / "proc/irq/7/smp_affinity").unlink()
    host.put_irq(80, host.get("proc/irq/default_smp_affinity"))
    host.put_irq(81, "8")
    host.works("stop")
    # A new interrupt with the default of the isolation gets the earlier default; one with another mask keeps it.
    assert (host.irq(80), host.irq(81)) == ("f", "8")


@pytest.mark.parametrize(
    ("environment", "isolated", "mask", "banned"),
    [
        ([], "", "c", "2-3"),
        ([], "1", "", "2-3,1"),
        (["IRQBALANCE_BANNED_CPULIST=1,5"], "", "", "2-3,1,5"),
        (["IRQBALANCE_BANNED_CPULIST=1"], "7", "", "2-3,1"),
        (["IRQBALANCE_BANNED_CPUS=1,00000001"], "", "00000001,0000000d", "2-3"),
        (["IRQBALANCE_BANNED_CPUS=", "IRQBALANCE_BANNED_CPULIST="], "", "c", "2-3"),
    ],
)
def test_irqbalance_bans_the_cpus(host: Host, environment: list[str], isolated: str, mask: str, banned: str) -> None:
    balancer(host, *environment)
    host.put("sys/devices/system/cpu/isolated", isolated)
    host.put("sys/devices/system/cpu/nohz_full", "(null)")
    before = host.state()
    host.works("start")
    path = host.get("dropin").removeprefix("[Service]\nEnvironmentFile=-")
    expected = f"IRQBALANCE_BANNED_CPUS={mask}\nIRQBALANCE_BANNED_CPULIST={banned}\n"
    assert Path(path).read_text() == expected
    host.works("stop")
    assert host.get("dropin") == ""
    assert host.state() == before


def outside(mask: str, guests: set[int], host: set[int]) -> int:
    """Return a mask without the guests' CPUs; if none is left, the host's."""
    left = int(mask.replace(",", ""), 16) & ~sum(1 << cpu for cpu in guests)
    return left or sum(1 << cpu for cpu in host)


@settings(max_examples=25)
@given(
    st.integers(2, 200).flatmap(
        lambda count: st.tuples(
            st.sets(st.integers(1, count - 1), min_size=1),
            st.lists(st.sets(st.integers(0, count - 1), min_size=1), min_size=1, max_size=4),
            st.just(count),
        )
    )
)
def test_masks_of_any_machine(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[set[int], list[set[int]], int]
) -> None:
    guests, irqs, count = drawn
    host_cpus = set(range(count)) - guests
    host = Host(tmp_path_factory.mktemp("host"), tuple(sorted(guests)), tuple(sorted(host_cpus)))
    (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    masks = [mask_text(cpus) for cpus in irqs]
    for number, mask in enumerate(masks):
        host.put_irq(number, mask)
    before = host.state()
    host.works("start")
    for number, mask in enumerate(masks):
        restricted = host.irq(number)
        assert int(restricted.replace(",", ""), 16) == outside(mask, guests, host_cpus)
        # The kernel refuses masks with more words than it has.
        assert restricted.count(",") <= max(mask.count(","), mask_text(host_cpus).count(","))
    host.works("stop")
    assert host.state() == before
