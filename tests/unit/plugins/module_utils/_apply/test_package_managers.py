# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers and generators: waited for, held off, and named when they take too long."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.lock import Busy
from ansible_collections.vfio.workstation.plugins.module_utils._apply.package_managers import package_managers_held

COLLECTIONS = str(Path(__file__).resolve().parents[5] / ".cache" / "collections")
# Takes a lock as dpkg and rpm do, says so, and holds it for so many seconds.
HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def dpkg(tmp_path: Path) -> Path:
    """A host's dpkg, as far as its locks go."""
    folder = tmp_path / "var/lib/dpkg"
    (folder / "updates").mkdir(parents=True)
    for name in ("lock", "lock-frontend", "status", "available"):
        (folder / name).touch()
    return folder


@contextmanager
def holding(lock: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock), str(seconds)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def dpkg_works(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the real dpkg answers to a change of its database."""
    argv = ["dpkg", f"--admindir={folder}", "--force-not-root", "--clear-selections"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["lock", "lock-frontend"])
def test_a_package_manager_at_work_is_waited_for(tmp_path: Path, dpkg: Path, name: str) -> None:
    with holding(dpkg / name, 1.0), package_managers_held(limit=60, root=str(tmp_path)) as waited:
        assert waited


def test_dpkg_is_held_off_meanwhile(tmp_path: Path, dpkg: Path) -> None:
    assert dpkg_works(dpkg).returncode == 0
    with package_managers_held(root=str(tmp_path)) as waited:
        assert not waited
        refused = dpkg_works(dpkg)
        assert refused.returncode == 2
        assert "lock" in refused.stderr
    assert dpkg_works(dpkg).returncode == 0


def test_who_takes_too_long_is_named(tmp_path: Path, dpkg: Path) -> None:
    held = package_managers_held(limit=0.2, root=str(tmp_path))
    with holding(dpkg / "lock", 60) as process, pytest.raises(Busy) as busy, held as _waited:
        pass
    assert f"(process {process.pid}) still held /var/lib/dpkg/lock after 0 s" in str(busy.value)


def test_a_host_without_package_managers_has_nothing_to_wait_for(tmp_path: Path) -> None:
    with package_managers_held(root=str(tmp_path)) as waited:
        assert not waited
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_the_program_that_started_us_is_no_reason_to_wait(tmp_path: Path, dpkg: Path) -> None:
    """A package manager whose hook runs Ansible holds its lock until we end."""
    code = (
        f"import sys; sys.path.insert(0, {COLLECTIONS!r})\n"
        "from ansible_collections.vfio.workstation.plugins.module_utils._apply.package_managers import *\n"
        "with package_managers_held(limit=0, root=sys.argv[1]) as waited: print(waited)\n"
    )
    with (dpkg / "lock").open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["update-initramfs", "grub-mkconfig", "dracut"])
def test_a_generator_that_somebody_runs_is_waited_for(tmp_path: Path, name: str) -> None:
    script = tmp_path / name
    script.write_text("#!/bin/sh\necho started\nread _\n")
    script.chmod(0o755)
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        with pytest.raises(Busy) as busy, package_managers_held(limit=0.2):
            pass
        assert f"{name[:15]} (process {process.pid}) was still running" in str(busy.value)
        process.communicate("\n")
    started = time.monotonic()
    with package_managers_held(limit=60):
        pass
    assert time.monotonic() - started < 60


def test_what_runs_in_another_root_is_not_waited_for(tmp_path: Path) -> None:
    """As in a container: its boot chain is not this host's."""
    script = tmp_path / "mkinitcpio"
    script.write_text("#!/bin/sh\necho started\nread _\n")
    script.chmod(0o755)
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        with package_managers_held(limit=0, root=str(tmp_path)) as waited:
            assert not waited
        process.communicate("\n")
