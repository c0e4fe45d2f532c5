# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the helper for containers promises, as far as it needs no container: `make test-molecule` tries the rest."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.tests.containers import engine, image
from ansible_collections.vfio.workstation.tests.containers.command import ROOT, ContainerError, output

SUPERVISE = """
import os
from tests.containers.supervision import signals_end_us, supervise
with signals_end_us():
    supervise(["sh", "-c", "sleep 300 & echo $$; wait"], dict(os.environ))
"""
BUILD = """
import subprocess, time
from pathlib import Path
from tests.containers import image
image.CACHE = Path({folder!r})
with image.locked("debian13") as (folder, descriptor):
    child = subprocess.Popen(["sleep", "300"], pass_fds=(descriptor,), stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    time.sleep(300)
"""


def start(program: str) -> tuple[subprocess.Popen[str], int]:
    """Start a Python program in the project's root, and return it with the number that it printed first."""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def alive(group: int) -> list[str]:
    """Return the names of a process group's members, without those that only wait to be reaped (proc_pid_stat(5))."""
    names = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _bracket, rest = path.read_text(encoding="utf-8").rpartition(")")
            state, _parent, of = rest.split()[:3]
            if state != "Z" and int(of) == group:
                names.append(name.partition("(")[2])
    return names


def test_an_image_is_named_for_all_that_goes_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {image.tag(name) for name in image.recipes()}
    for attribute in ("MMDEBSTRAP", "CONFIGURATION"):
        monkeypatch.setattr(image, attribute, [*getattr(image, attribute), "more"])
        names |= {image.tag(name) for name in image.recipes()}
    assert len(names) == 3 * len(image.recipes())


def test_an_unknown_image_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ContainerError, match=r"'debian1'; there are debian12, debian13"):
        image.tag("debian1")


def test_a_failing_command_is_quoted() -> None:
    with pytest.raises(ContainerError, match=r"exit status 3\nno luck"):
        output(["sh", "-c", "echo no luck >&2; exit 3"])


def test_limits_never_exceed_the_machines() -> None:
    for attempt in engine.attempts():
        if attempt.configuration is not None:
            for limit in tomllib.loads(attempt.configuration)["containers"]["default_ulimits"]:
                name, value = limit.split("=")
                hard = resource.getrlimit(engine.LIMITS[name][0])[1]
                soft_limit, hard_limit = map(int, value.split(":"))
                assert 0 < soft_limit <= hard_limit <= (hard if hard != resource.RLIM_INFINITY else 4096)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_that_was_started(number: signal.Signals) -> None:
    process, group = start(SUPERVISE)
    with process:
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    # What was killed may not have got to the processor yet.
    end = time.monotonic() + 60
    while alive(group) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(group) == []


def test_the_lock_outlives_a_killed_builder_until_its_tool_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, tool = start(BUILD.format(folder=str(tmp_path)))
    with process, (tmp_path / "debian13.lock").open(encoding="utf-8") as lock:
        process.kill()
        process.wait()
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(tool, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)
    (tmp_path / "build-debian13" / "half").touch()
    monkeypatch.setattr(image, "CACHE", tmp_path)
    with image.locked("debian13") as (folder, _descriptor):
        assert list(folder.iterdir()) == []
    assert not (tmp_path / "build-debian13").exists()
