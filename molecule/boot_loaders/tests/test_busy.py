# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers and people who regenerate the menu before, during and after a run: all of it ends converged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.containers.boot_machine import BootMachine

IOMMU: dict[str, Any] = {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt"]}
GONE: dict[str, Any] = {"owner": "iommu", "state": "absent"}
#: Takes dpkg's lock, says so, runs a line of shell, and lets it go: as a package's installation does.
PACKAGE = """python3 -c '
import fcntl, subprocess, sys
file = open("/var/lib/dpkg/lock-frontend", "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
open("/tmp/held", "w").close()
sys.exit(subprocess.call(["sh", "-ec", sys.argv[1]]))
' '{}'"""
#: Whether dpkg could begin now: 0 or 1.
TRY = """python3 -c '
import fcntl
fcntl.lockf(open("/var/lib/dpkg/lock-frontend", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
'"""
SLOW = "/etc/grub.d/05_slow"


def wait_for(host: BootMachine, path: str) -> None:
    deadline = time.monotonic() + 60
    while not host.path(path).exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.05)


@contextlib.contextmanager
def slow_menu(host: BootMachine) -> Iterator[None]:
    """grub-mkconfig tells that it runs, and takes three seconds longer."""
    host.write(SLOW, "#!/bin/sh\n: >/tmp/running\nsleep 3\n")
    try:
        yield
    finally:
        host.run(f"rm -f {SLOW} /tmp/running /tmp/held")


def has_ours(host: BootMachine) -> bool:
    lines = host.call(**IOMMU).lines()
    return bool(lines) and all("intel_iommu=on iommu=pt" in line for line in lines)


def test_a_package_that_is_being_installed(host: BootMachine) -> None:
    """Theirs before ours: the run waits, and plans for what they left."""
    if host.loader != "grub":
        return
    setting = r"GRUB_CMDLINE_LINUX=\"\$GRUB_CMDLINE_LINUX by_package=1\""
    line = f'sleep 2; echo "{setting}" >/etc/default/grub.d/a.cfg; update-grub'
    try:
        with ThreadPoolExecutor() as pool:
            package = pool.submit(host.run, PACKAGE.format(line))
            wait_for(host, "/tmp/held")
            done = host.call(**IOMMU)
            assert package.result().returncode == 0
        assert (done.failed, done.changed) == (False, True), done.values
        assert all("by_package=1" in line for line in done.lines())
        assert has_ours(host)
        assert host.call(**GONE).changed
    finally:
        host.run("rm -f /etc/default/grub.d/a.cfg /tmp/held; update-grub")


def test_a_package_that_comes_meanwhile_is_held_off(host: BootMachine) -> None:
    if host.loader != "grub":
        return
    with slow_menu(host), ThreadPoolExecutor() as pool:
        run = pool.submit(host.call, **IOMMU)
        wait_for(host, "/tmp/running")
        assert host.run(TRY, check=False).returncode == 1
        done = run.result()
        assert (done.failed, done.changed) == (False, True), done.values
        assert host.run(TRY, check=False).returncode == 0
    host.run("update-grub")
    assert has_ours(host)
    assert host.call(**GONE).changed
    host.run("update-grub")


def test_a_person_who_updates_the_menu_meanwhile(host: BootMachine) -> None:
    """Nothing holds update-grub off: the run ends converged or undone, and the next one converged."""
    if host.loader != "grub":
        return
    with slow_menu(host), ThreadPoolExecutor() as pool:
        run = pool.submit(host.call, **IOMMU)
        wait_for(host, "/tmp/running")
        person = pool.submit(host.run, "sleep 1; update-grub")
        done = run.result()
        assert person.result().returncode == 0
        host.insist_on_booting()
        assert done.failed or has_ours(host)
    host.apply(**IOMMU)
    assert has_ours(host)
    # Theirs after ours keeps what is ours, and there is nothing to do.
    host.run("update-grub")
    assert not host.call(**IOMMU).changed
    assert host.call(**GONE).changed
    host.run("update-grub")


def test_a_person_who_changes_a_file_meanwhile_keeps_the_change(host: BootMachine) -> None:
    if host.loader != "grub":
        return
    before = host.path("/etc/default/grub").read_text()
    try:
        with slow_menu(host), ThreadPoolExecutor() as pool:
            run = pool.submit(host.call, **IOMMU)
            wait_for(host, "/tmp/running")
            host.write("/etc/default/grub", before + "# by a person\n", 0o644)
            run.result()
        assert host.path("/etc/default/grub").read_text() == before + "# by a person\n"
        host.apply(**IOMMU)
        assert host.path("/etc/default/grub").read_text() == before + "# by a person\n"
        assert host.call(**GONE).changed
    finally:
        host.write("/etc/default/grub", before, 0o644)
        host.run("update-grub")
