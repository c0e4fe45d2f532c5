# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A power cut between any two steps of a trial: what boots is the entry without VFIO, or what was confirmed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._engine.host import HostRun
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._engine.trial_run import TrialRun
from ansible_collections.vfio.workstation.plugins.module_utils._machine.desired import Desired
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import GenerateFile, OverwriteFile, Step
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import (
    ARMED,
    FINAL,
    RETURNED,
    STARTED,
    STOCK,
    TRIAL_FILE,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_trial import block, choice_in
from ansible_collections.vfio.workstation.plugins.module_utils._plan.host_plan import SECTIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.parse_desired import parse_desired
from ansible_collections.vfio.workstation.plugins.module_utils._plan.trial_files import UNIT_FILE, WATCHDOG_FILE
from ansible_collections.vfio.workstation.tests.machines.builder import build
from ansible_collections.vfio.workstation.tests.stand_ins.grub import boot
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.boot.loaders.test_grub_trial import (
    LIBRARY,
    on_disk,
    plant,
)

VERSION = "6.12.43+deb13-amd64"  # of the described machine
BLOCK = "boot/grub/vfio-workstation.env"
FIRST = {"hugepages": [{"size": "2M", "count": 8, "at": "boot"}], "trial": True}
SECOND = {"hugepages": [{"size": "2M", "count": 16, "at": "boot"}], "trial": True}
HEADER = 'if [ -s $prefix/grubenv ]; then\n  load_env\nfi\nset default="0"\n'
LINUX = f"""#!/bin/sh
cat <<END
menuentry 'Debian' --x \\$menuentry_id_option 'gnulinux-{VERSION}-advanced-a' {{
    linux /boot/vmlinuz-{VERSION} root=UUID=a ro $GRUB_CMDLINE_LINUX_DEFAULT
}}
END
"""


class Host:
    """A host in a directory, with a stand-in for grub-mkconfig that runs the scripts of /etc/grub.d.

    Args:
        root: The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boots = 0
        build("intel-desktop", root)
        on_disk(root)
        plant(
            root,
            {
                f"/boot/vmlinuz-{VERSION}": "",
                "/boot/grub/grubenv": "",
                "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
                "/etc/grub.d/10_linux": LINUX,
                "/usr/sbin/grub-mkconfig": "# default/grub.d\n",
                "/usr/share/grub/grub-mkconfig_lib": LIBRARY,
                "/proc/sys/kernel/osrelease": VERSION,
            },
        )
        (root / "etc/grub.d/10_linux").chmod(0o755)
        self.generate(["-o", str(root / "boot/grub/grub.cfg")])
        self.start()

    def generate(self, argv: Sequence[str]) -> str:
        """Do what grub-mkconfig does."""
        if "-o" not in argv:
            return ""
        script = f"""
            for file in {self.root}/etc/default/grub {self.root}/etc/default/grub.d/*.cfg; do
                [ ! -f "$file" ] || . "$file"
            done
            export GRUB_CMDLINE_LINUX_DEFAULT pkgdatadir={self.root}/usr/share/grub
            for file in {self.root}/etc/grub.d/*; do
                sed 's|/etc/grub.d/10_linux|{self.root}&|' "$file" | sh
            done
        """
        done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)
        Path(argv[-1]).write_text(HEADER + done.stdout, "utf-8")
        return ""

    def observe(self, request: dict[str, Any] | None) -> Outcome:
        """Plan a request; None for its removal."""
        if request is None:
            return HostRun(Desired(), SECTIONS, root=str(self.root)).observe()
        desired = parse_desired(request)
        assert isinstance(desired, Desired), desired
        return HostRun(desired, root=str(self.root)).observe()

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out steps."""
        with Transaction({"grub.cfg": lambda _draft: ()}, str(self.root), self.generate) as transaction:
            transaction.apply(steps)

    def converge(self, request: dict[str, Any] | None) -> Outcome:
        """Carry out what a request needs, and return what is left to do."""
        outcome = self.observe(request)
        assert not outcome.refusals, outcome.refusals
        self.apply(outcome.steps)
        return self.observe(request)

    @property
    def choice(self) -> str | None:
        """What GRUB boots by itself."""
        path = self.root / BLOCK
        return choice_in(path.read_text("utf-8")) if path.exists() else None

    def start(self) -> str:
        """Boot: return the managed arguments on the command line."""
        self.boots += 1
        config = (self.root / "boot/grub/grub.cfg").read_text("utf-8")
        entries = [line.strip() for line in config.splitlines() if line.strip().startswith("linux ")]
        line = entries[-1 if boot(self.root).is_stock else 0].partition(" ro ")[2]
        shutil.rmtree(self.root / "run/vfio-workstation", ignore_errors=True)
        files = {"/proc/cmdline": f"root=UUID=a ro {line}\n", "/proc/sys/kernel/random/boot_id": f"boot-{self.boots}\n"}
        # The described machine has one node; the kernel allocates what is on its command line.
        pages = line.partition("hugepages=")[2].partition(" ")[0] or "0"
        counts = self.root.glob("sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages")
        plant(self.root, {**files, **{f"/{path.relative_to(self.root)}": pages + "\n" for path in counts}})
        return line.partition("quiet ")[2]

    def copy(self, folder: Path) -> Host:
        """Return the host as a power cut would leave it."""
        twin = object.__new__(Host)
        twin.root, twin.boots = folder, self.boots
        shutil.copytree(self.root, folder, symlinks=True)
        return twin


@pytest.fixture(name="host")
def host_in_a_directory(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def arguments(pages: int) -> str:
    return f"hugepagesz=2M hugepages={pages} panic=30"


def cut_after_each(host: Host, steps: Sequence[Step], folder: Path) -> list[list[str]]:
    """Return what the next two boots are, for a power cut after each number of steps."""
    boots = []
    for count in range(len(steps) + 1):
        twin = host.copy(folder / str(count))
        # GenerateFile and the files of the transaction refer to the directory.
        twin.apply(steps[:count])
        boots.append([twin.start(), twin.start()])
        shutil.rmtree(twin.root)
    return boots


def started(host: Host) -> TrialRun:
    trial = TrialRun(str(host.root))
    trial.begin()
    return trial


def test_a_configuration_is_tried_once_and_stays_when_confirmed(host: Host) -> None:
    left = host.converge(FIRST)
    assert (left.steps, left.states, host.choice) == ((), (True, True, False), ARMED)
    assert host.start() == arguments(8)
    trial = started(host)
    assert (trial.is_trial, host.choice) == (True, STOCK)
    trial.confirm()
    assert host.choice == FINAL
    assert [host.start() for _boot in range(2)] == [arguments(8)] * 2
    left = host.observe(FIRST)
    assert (left.steps, left.refusals, left.states) == ((), (), (True, True, True))


def test_a_run_of_the_module_confirms_too(host: Host) -> None:
    host.converge(FIRST)
    host.start()
    started(host)
    outcome = host.observe(FIRST)
    assert isinstance(outcome.steps[0], OverwriteFile)
    assert outcome.states == (True, True, None)
    left = host.converge(FIRST)
    assert (left.steps, left.states, host.choice) == ((), (True, True, True), FINAL)


def test_a_trial_that_ends_returns_and_says_why(host: Host) -> None:
    host.converge(FIRST)
    host.start()
    started(host)
    assert host.start() == ""
    trial = started(host)
    assert trial.record is not None
    assert (trial.is_trial, trial.record.phase, host.choice) == (False, RETURNED, STOCK)
    assert "before it was verified" in trial.record.reason
    (refusal,) = host.observe(FIRST).refusals
    assert (refusal.code, trial.record.reason in refusal.seen) == ("trial_returned", True)
    left = host.converge({**FIRST, "accept": ["trial_returned"]})
    assert host.choice == ARMED
    assert left.steps == ()
    assert host.start() == arguments(8)


def test_a_trial_that_does_not_reach_its_unit_returns(host: Host) -> None:
    host.converge(FIRST)
    assert [host.start(), host.start()] == [arguments(8), ""]
    (refusal,) = host.observe(FIRST).refusals
    assert refusal.code == "trial_returned"
    record = started(host).record
    assert record is not None
    assert "panicked or hung" in record.reason


def test_a_trial_that_fails_gives_up(host: Host) -> None:
    host.converge(FIRST)
    host.start()
    started(host).give_up("2M: requested 8 pages, found 3")
    assert host.start() == ""
    outcome = host.observe(FIRST)
    (refusal,) = outcome.refusals
    (row,) = [request for request in outcome.live["requests"] if request["section"] == "trial"]
    assert "requested 8 pages, found 3" in refusal.seen
    assert row["now"] == "returned to the entry without VFIO: 2M: requested 8 pages, found 3"
    assert row["active"] is False


def test_another_request_is_tried_after_a_return(host: Host) -> None:
    host.converge(FIRST)
    assert [host.start(), host.start()] == [arguments(8), ""]
    assert host.converge(SECOND).steps == ()
    assert [host.start(), host.start()] == [arguments(16), ""]


def test_a_power_cut_while_the_first_trial_is_staged(host: Host, tmp_path: Path) -> None:
    steps = host.observe(FIRST).steps
    boots = cut_after_each(host, steps, tmp_path)
    assert boots[-1] == [arguments(8), ""]
    assert boots[:-1] == [["", ""]] * len(steps)


def test_a_power_cut_while_another_configuration_is_staged(host: Host, tmp_path: Path) -> None:
    host.converge(FIRST)
    host.start()
    started(host).confirm()
    steps = host.observe(SECOND).steps
    boots = cut_after_each(host, steps, tmp_path)
    assert boots[0] == [arguments(8)] * 2
    assert boots[-1] == [arguments(16), ""]
    assert boots[1:-1] == [["", ""]] * (len(steps) - 1)


def test_a_power_cut_while_a_pending_trial_is_replaced(host: Host, tmp_path: Path) -> None:
    host.converge(FIRST)
    steps = host.observe(SECOND).steps
    boots = cut_after_each(host, steps, tmp_path)
    assert (boots[0], boots[-1]) == ([arguments(8), ""], [arguments(16), ""])
    assert boots[1:-1] == [["", ""]] * (len(steps) - 1)


def test_a_power_cut_at_the_confirmation(host: Host, tmp_path: Path) -> None:
    host.converge(FIRST)
    host.start()
    started(host)
    steps = host.observe(FIRST).steps
    boots = cut_after_each(host, steps, tmp_path)
    assert boots == [["", ""], *([[arguments(8)] * 2] * len(steps))]


def test_a_power_cut_while_everything_is_removed(host: Host, tmp_path: Path) -> None:
    host.converge(FIRST)
    host.start()
    started(host).confirm()
    steps = host.observe(None).steps
    menu = next(number for number, step in enumerate(steps) if isinstance(step, GenerateFile))
    boots = cut_after_each(host, steps, tmp_path)
    assert boots == [[arguments(8)] * 2] * (menu + 1) + [["", ""]] * (len(steps) - menu)


def test_a_killed_run_is_completed_by_the_next(host: Host, tmp_path: Path) -> None:
    steps = host.observe(FIRST).steps
    for count in range(len(steps) + 1):
        twin = host.copy(tmp_path / str(count))
        twin.apply(steps[:count])
        assert twin.converge(FIRST).steps == ()
        assert [twin.start(), twin.start()] == [arguments(8), ""]
        shutil.rmtree(twin.root)


def test_what_is_removed_leaves_no_trace(host: Host) -> None:
    before = {path: path.read_bytes() for path in host.root.glob("[eb]*/**/*") if path.is_file()}
    host.converge(FIRST)
    assert host.converge(None).steps == ()
    assert {path: path.read_bytes() for path in host.root.glob("[eb]*/**/*") if path.is_file()} == before
    assert not (host.root / TRIAL_FILE.lstrip("/")).exists()


def test_trial_boots_are_switched_off(host: Host) -> None:
    host.converge(FIRST)
    host.start()
    started(host).confirm()
    without = {**FIRST, "trial": False}
    assert host.converge(without).steps == ()
    assert host.start() == arguments(8).removesuffix(" panic=30")
    assert not (host.root / BLOCK).exists()
    assert not (host.root / UNIT_FILE.lstrip("/")).exists()
    assert "Trial boots" not in (host.root / "boot/grub/grub.cfg").read_text("utf-8")


def test_a_request_that_does_not_speak_of_trials_keeps_them(host: Host) -> None:
    host.converge(FIRST)
    left = host.observe({"hugepages": FIRST["hugepages"]})
    assert (left.steps, host.choice) == ((), ARMED)
    second = host.converge({"hugepages": SECOND["hugepages"]})
    assert (second.steps, host.choice) == ((), ARMED)
    assert [host.start(), host.start()] == [arguments(16), ""]


def watchdog(host: Host, nowayout: str = "0") -> None:
    plant(host.root, {"/sys/class/watchdog/watchdog0/nowayout": nowayout + "\n"})


def notes(outcome: Outcome) -> str:
    return " ".join(outcome.values["notes"])


def test_a_watchdog_is_used_while_a_trial_is_pending(host: Host) -> None:
    file = host.root / WATCHDOG_FILE.lstrip("/")
    watchdog(host)
    assert "watchdog" not in notes(host.converge(FIRST))
    assert "RuntimeWatchdogSec=60" in file.read_text("utf-8")
    host.start()
    started(host).confirm()
    assert not file.exists()


@pytest.mark.parametrize("nowayout", ["1", "", None])
def test_a_watchdog_that_can_not_be_stopped_is_not_used(host: Host, nowayout: str | None) -> None:
    if nowayout is not None:
        watchdog(host, nowayout)
    assert "press the reset button" in notes(host.converge(FIRST))
    assert not (host.root / WATCHDOG_FILE.lstrip("/")).exists()


@pytest.mark.parametrize("path", ["/etc/systemd/system.conf", "/usr/lib/systemd/system.conf.d/50-watchdog.conf"])
def test_a_watchdog_that_somebody_set_up_is_left_alone(host: Host, path: str) -> None:
    watchdog(host)
    plant(host.root, {path: "[Manager]\nRuntimeWatchdogSec=10\n"})
    assert "watchdog" not in notes(host.converge(FIRST))
    assert not (host.root / WATCHDOG_FILE.lstrip("/")).exists()


def test_a_controller_is_awaited_in_the_trial_boot_only(host: Host) -> None:
    host.converge(FIRST)
    trial = TrialRun(str(host.root))
    trial.await_controller()
    assert host.converge(FIRST).steps == ()
    host.start()
    trial = started(host)
    assert trial.record is not None
    assert (trial.record.phase, trial.record.controller) == (STARTED, True)
    trial.await_controller()
    assert host.choice == STOCK


def test_a_block_that_grub_did_not_change_is_changed_by_the_unit(host: Host) -> None:
    """A person chose the entry in the menu."""
    host.converge(FIRST)
    host.start()
    plant(host.root, {f"/{BLOCK}": block(ARMED)})
    started(host)
    assert host.choice == STOCK


def test_a_file_system_that_grub_can_not_write_is_refused_unless_overridden(host: Host) -> None:
    plant(host.root, {"/proc/self/mountinfo": "25 1 0:40 / / rw - btrfs /dev/x rw\n"})
    (refusal,) = host.observe(FIRST).refusals
    assert refusal.code == "trial_unsupported"
    left = host.converge({**FIRST, "accept": ["trial_unsupported"]})
    assert (left.steps, left.live["trial"]) == ((), None)
    assert host.start() == arguments(8)
