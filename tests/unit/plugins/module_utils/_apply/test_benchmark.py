# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where benchmarks run, and what is restored after them."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.benchmark import (
    Place,
    command,
    orderly_end,
    run_benchmark,
    suspended,
    version,
)
from ansible_collections.vfio.workstation.plugins.module_utils._apply.virsh import Virsh

HERE = Place(",".join(map(str, sorted(os.sched_getaffinity(0)))))


def test_in_the_slice_of_guests_on_their_cpus_and_node() -> None:
    line = command(["tool", "-x"], Place("2-3", 1, "/srv/root"), systemd=True)
    assert line[0] == "systemd-run"
    assert line[-3:] == ["--", "tool", "-x"]
    assert "--slice=machine.slice" in line
    properties = {option.removeprefix("--property=") for option in line if option.startswith("--property=")}
    assert {"CPUAffinity=2-3", "AllowedCPUs=2-3", "NUMAPolicy=bind", "NUMAMask=1"} <= properties
    assert {"RootDirectory=/srv/root", "MountAPIVFS=yes"} <= properties


def test_any_node_and_the_root_of_the_host() -> None:
    line = " ".join(command(["tool"], Place("2"), systemd=True))
    assert "NUMA" not in line
    assert "RootDirectory" not in line


def test_without_systemd_the_cpus_are_set_at_least() -> None:
    assert command(["tool"], Place("2-3"), systemd=False) == ["taskset", "--cpu-list", "2-3", "tool"]


def test_output_and_time_of_a_run() -> None:
    output, seconds = run_benchmark(["sh", "-c", "sleep 0.2; echo out; echo err >&2"], HERE, 1)
    assert output == "out\nerr\n"
    assert 0.2 <= seconds < 60
    with pytest.raises(ToolFailed, match="exit status 3"):
        run_benchmark(["sh", "-c", "exit 3"], HERE, 1)


def test_the_version_of_a_tool_and_of_a_missing_one() -> None:
    assert version(["sh", "-c", "echo; echo ' tool 1.2'; echo more"], HERE) == "tool 1.2"
    assert version(["vfio-workstation-no-such-tool"], HERE) is None


class Guest(Virsh):
    """Stands for the connection of libvirt, with one guest."""

    def __init__(self, state: str) -> None:
        super().__init__("test:///default")
        self.now = state
        self.calls: list[str] = []

    def state(self, name: str) -> str:
        assert name == "win"
        return f"{self.now}\n"

    def suspend(self, name: str) -> None:
        self.calls.append(f"suspend {name}")

    def resume(self, name: str) -> None:
        self.calls.append(f"resume {name}")


def test_a_guest_is_suspended_meanwhile() -> None:
    guest = Guest("running")
    with suspended(guest, "win"):
        assert guest.calls == ["suspend win"]
    assert guest.calls == ["suspend win", "resume win"]


@pytest.mark.parametrize(("state", "name"), [("shut off", "win"), ("paused", "win"), ("running", "")])
def test_a_guest_that_does_not_run_stays_as_it_is(state: str, name: str) -> None:
    guest = Guest(state)
    with suspended(guest, name):
        pass
    assert guest.calls == []


def test_a_guest_continues_after_a_failure_and_after_a_signal() -> None:
    guest = Guest("running")
    with pytest.raises(ToolFailed), suspended(guest, "win"):
        raise ToolFailed("no")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit), orderly_end(), suspended(guest, "win"):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert guest.calls == ["suspend win", "resume win"] * 2
    assert signal.getsignal(signal.SIGTERM) == before
