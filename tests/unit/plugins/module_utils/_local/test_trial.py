# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a trial boot is given, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import lock
from ansible_collections.vfio.workstation.plugins.module_utils._engine.trial_run import TrialRun
from ansible_collections.vfio.workstation.plugins.module_utils._local import trial as command
from ansible_collections.vfio.workstation.plugins.module_utils._local.commands import CommandFailed, Invocation
from ansible_collections.vfio.workstation.plugins.module_utils._local.trial import Watch, conduct, judge, run
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import (
    CONFIRMED,
    FINAL,
    RETURNED,
    STARTED,
    STOCK,
    TRIAL_FILE,
    TrialRecord,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.trial import render_trial
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_trial import FIRST, plant
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.trial_hosts import (
    GrubHost,
    Host,
    SystemdBootHost,
)


class Boot:
    """A trial boot whose time is that of a counter.

    Args:
        host: The host, in its trial boot.
        problems: What is missing, by the time in seconds; the last one stays.
    """

    def __init__(self, host: Host, problems: Callable[[float], str] = lambda _time: "") -> None:
        self.trial = TrialRun(str(host.root))
        self.trial.begin()
        self.time = 30.0
        self.reboots = 0
        self.problems = problems

    def conduct(self) -> TrialRecord:
        """Go through the boot; return the record at its end."""
        conduct(self.trial, Watch(lambda: self.problems(self.time), lambda: self.time, self._sleep, self._reboot))
        assert self.trial.record is not None
        return self.trial.record

    def _sleep(self, seconds: float) -> None:
        self.time += seconds

    def _reboot(self) -> None:
        self.reboots += 1


@pytest.fixture(name="host", params=[GrubHost, SystemdBootHost])
def in_a_trial_boot(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(command, "locked", lambda: lock.locked(str(tmp_path / "lock")))
    host: Host = request.param(tmp_path / "host")
    host.converge(FIRST)
    host.start()
    return host


def test_a_trial_is_confirmed_at_once(host: Host) -> None:
    boot = Boot(host)
    assert boot.conduct().phase == CONFIRMED
    assert (boot.time, boot.reboots, host.choice) == (30, 0, FINAL)


def test_what_comes_late_is_waited_for(host: Host) -> None:
    boot = Boot(host, lambda time: "2M: 3 pages" if time < 100 else "")
    assert boot.conduct().phase == CONFIRMED
    assert 100 <= boot.time < 110


def test_a_slow_boot_is_given_time_too(host: Host) -> None:
    boot = Boot(host, lambda time: "2M: 3 pages" if time < 320 else "")
    boot.time = 300
    assert boot.conduct().phase == CONFIRMED


def test_what_does_not_come_ends_the_trial(host: Host) -> None:
    boot = Boot(host, lambda _time: "2M: 3 pages")
    record = boot.conduct()
    assert (record.phase, record.reason) == (RETURNED, "2M: 3 pages")
    assert 120 < boot.time < 130
    assert (boot.reboots, host.choice) == (1, STOCK)


def test_a_controller_is_waited_for_until_the_timeout(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    boot = Boot(host)
    plant(host.root, {TRIAL_FILE: render_trial(boot.trial.record._replace(controller=True, timeout=300))})
    record = boot.conduct()
    assert record.reason == "no controller has confirmed it within 300 s of the boot"
    assert 300 < boot.time < 310
    assert boot.reboots == 1
    assert "Rebooting" in capsys.readouterr().out


def test_a_controller_that_comes_ends_the_wait(host: Host) -> None:
    boot = Boot(host)
    plant(host.root, {TRIAL_FILE: render_trial(boot.trial.record._replace(controller=True))})

    def arrive(time: float) -> str:
        if time > 200:
            host.converge(FIRST)
        return ""

    boot.problems = arrive
    assert boot.conduct().phase == CONFIRMED
    assert (boot.reboots, host.choice) == (0, FINAL)


def test_a_lost_route_ends_the_trial(host: Host) -> None:
    boot = Boot(host)
    plant(host.root, {TRIAL_FILE: render_trial(boot.trial.record._replace(routed=True)), "/proc/net/route": ""})
    plant(host.root, {"/proc/net/ipv6_route": ""})
    assert boot.conduct().reason == "the host has lost its default route"


def test_the_command_does_nothing_in_other_boots(host: Host) -> None:
    plant(host.root, {"/proc/sys/kernel/random/boot_id": "other\n", "/proc/cmdline": "root=UUID=a ro quiet\n"})
    before = host.choice
    assert run(Invocation(frozenset(), {"--root": str(host.root)})) == 0
    record = TrialRun(str(host.root)).record
    assert record is not None
    assert (record.phase, host.choice) == (RETURNED, before)


def test_a_damaged_record_is_reported_and_boots_the_entry_without_vfio(host: Host) -> None:
    plant(host.root, {TRIAL_FILE: "{"})
    with pytest.raises(CommandFailed, match="not JSON"):
        run(Invocation(frozenset(), {"--root": str(host.root)}))
    assert host.choice == STOCK


def test_a_host_without_a_request_is_not_confirmed(host: Host) -> None:
    assert judge(str(host.root)) == "no request is recorded on this host"
    boot = Boot(host, lambda _time: judge(str(host.root)))
    assert boot.trial.record is not None
    assert boot.trial.record.phase == STARTED
    assert boot.conduct().phase == RETURNED
