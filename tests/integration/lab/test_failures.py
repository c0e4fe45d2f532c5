# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is told with the serial log's end, and leaves nothing running."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.lab import BootFailed, Lab
from tests.lab.command import DirectBoot
from tests.lab.process import QemuProcess

pytestmark = pytest.mark.lab

ROOT = pathlib.Path(__file__).parents[3]


def test_a_panic_is_told_with_the_log(lab: Lab) -> None:
    image = lab.image()
    with lab.machine("desktop", image) as machine:
        cmdline = "console=ttyS0 no_timer_check rdinit=/bin/false"
        machine.start(direct=DirectBoot(image.kernel, image.inner_initramfs, cmdline))
        with pytest.raises(BootFailed, match="panic") as failure:
            machine.wait_for_ssh()
        assert "Kernel panic - not syncing: Attempted to kill init" in failure.value.serial_tail
    assert not machine.running
    assert not machine.folder.exists()


def test_a_hang_is_told(lab: Lab) -> None:
    with lab.machine("desktop") as machine:
        machine.start()
        # The firmware alone takes longer.
        with pytest.raises(BootFailed, match="did not answer within 1 s"):
            machine.wait_for_ssh(timeout=1)


def test_a_killed_test_leaves_no_qemu(lab: Lab) -> None:
    lab.image()
    script = (
        "import time\n"
        "from tests.lab import Lab\n"
        "machine = Lab().machine('desktop')\n"
        "machine.start()\n"
        "print(machine.folder, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        folder = pathlib.Path(child.stdout.readline().strip())
        qemu = QemuProcess(folder)
        assert qemu.running
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert qemu.wait(30)
    assert folder.name in lab.sweep()
    assert not folder.exists()


def test_ctrl_c_leaves_nothing(lab: Lab) -> None:
    lab.image()
    script = (
        "import signal\n"
        "from tests.lab import Lab\n"
        # As in a terminal: where the tests run in the background, children inherit that it is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with Lab().machine('desktop') as machine:\n"
        "    machine.start()\n"
        "    print(machine.folder, flush=True)\n"
        "    machine.wait_for_ssh()\n"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        folder = pathlib.Path(child.stdout.readline().strip())
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        _output, complaint = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in complaint
    assert not folder.exists()


def test_two_machines_side_by_side_do_not_meet(lab: Lab) -> None:
    with lab.machine("desktop") as one, lab.machine("desktop") as other:
        one.start()
        other.start()
        assert one.folder != other.folder
        assert one.inventory()["ansible_port"] != other.inventory()["ansible_port"]
        one.cut_power()
        assert other.running


def mentioning(text: str) -> list[str]:
    """The command lines of running processes that mention it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        # A process can end while we look.
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            found += [line] if text in line else []
    return found


@pytest.mark.slow
def test_the_cache_survives_a_kill_in_the_middle_of_a_build(tmp_path: pathlib.Path) -> None:
    cache = tmp_path / "lab"
    argv = [sys.executable, "-m", "tests.lab", "--cache", str(cache), "build"]
    # Seconds into a step; the last can be over in three.
    for step, seconds in (("1/4", 3), ("2/4", 3), ("3/4", 3), ("4/4", 0.3)):
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            assert child.stderr is not None
            assert any(f"  {step} " in line for line in child.stderr)
            time.sleep(seconds)
            child.kill()
        deadline = time.monotonic() + 15
        while mentioning(str(cache)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert mentioning(str(cache)) == [], step
        assert list(cache.glob("images/*/recipe.json")) == [], step

    lab = Lab(cache)
    with lab.machine("desktop") as machine:
        machine.start()
        machine.wait_for_ssh()
    assert [path.name for path in cache.glob("images/*") if path.is_dir()] == [machine.image.folder.name]
    shutil.rmtree(cache)
