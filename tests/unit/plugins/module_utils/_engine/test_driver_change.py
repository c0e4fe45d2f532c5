# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the module `device_driver`, on a tree of files with a stand-in for the kernel behind its attributes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import ToolFailed
from ansible_collections.vfio.workstation.plugins.module_utils._apply.sysfs import AttributeFailed, KernelHang
from ansible_collections.vfio.workstation.plugins.module_utils._engine import driver_change
from ansible_collections.vfio.workstation.plugins.module_utils._engine.driver_change import (
    DriverChangeFailed,
    DriverRun,
    DriverState,
    Observation,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.driver_change import AUTO, NONE, DriverRequest
from ansible_collections.vfio.workstation.tests.machines import build

# The twin's audio function, in a group with the twin.
AUDIO = "0000:01:00.1"
HOST = DriverState("snd_hda_intel", None)
LENT = DriverState("vfio-pci", "vfio-pci")
LIMIT = 30


class Kernel:
    """A machine with twin GPUs, and the reaction of its kernel to written attributes.

    Attributes:
        takes: What drivers do when they are asked to take a function; those that are not named take it.
        own: The driver that the kernel picks by itself.
        hanging: Ends of paths that do not come back, whether read or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.takes: dict[str, str] = {}
        self.own: str | None = "snd_hda_intel"
        self.hanging: list[str] = []
        self.writes: list[str] = []
        self.loaded: list[str] = []
        self.module = "vfio-pci"  # what modprobe brings
        self.left = subprocess.Popen(["true"])
        self.left.wait()
        for driver in ("snd_hda_intel", "vfio-pci"):
            self.register(driver)
        modules = root / "lib/modules" / (root / "proc/sys/kernel/osrelease").read_text().strip()
        modules.mkdir(parents=True, exist_ok=True)
        (modules / "modules.alias").write_text("alias pci:v*d*sv*sd*bc04sc03i* snd_hda_intel\n")
        device = root / "sys/bus/pci/devices" / AUDIO
        (device / "modalias").write_text("pci:v000010DEd000022BAsv00001043sd000088E2bc04sc03i00\n")
        (modules / "modules.dep").write_text("kernel/vfio-pci.ko:\nkernel/snd-hda-intel.ko:\n")
        (root / "sys/module/snd_hda_intel").mkdir(parents=True, exist_ok=True)

    def register(self, driver: str) -> None:
        folder = self.root / "sys/bus/pci/drivers" / driver
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bind").write_text("")
        if not (folder / "module").is_symlink():
            (folder / "module").symlink_to(f"../../../../module/{driver.replace('-', '_')}")

    def load(self, argv: Sequence[str], limit: float) -> None:
        assert limit == LIMIT
        self.loaded.append(" ".join(argv))
        if self.takes.get("modprobe"):
            raise ToolFailed(self.takes["modprobe"])
        if "modprobe" in self.hanging:
            raise KernelHang("modprobe did not come back", self.left)
        self.register(self.module)

    def answers(self, path: str, limit: float) -> bool:
        assert limit == LIMIT
        return not any(path.endswith(end) for end in self.hanging)

    def write(self, path: str, value: str, limit: float) -> None:
        path = path.removeprefix(str(self.root))
        self.writes.append(f"{value} > {path.removeprefix('/sys/bus/pci/')}")
        if any(path.endswith(end) for end in self.hanging):
            raise KernelHang(f"writing {value!r} to {path} did not return within {limit:.0f} s", self.left)
        name = path.rsplit("/", 1)[1]
        if name == "driver_override":
            (self.root / path.lstrip("/")).write_text(value + "\n")
        elif name == "unbind":
            self._complain("unbind", path)
            self.link.unlink()
        elif name == "bind":
            self._bind(path.split("/")[-2], loud=True)
        else:
            driver = self.override or self.own
            if driver is not None:
                self._bind(driver, loud=False)

    def _complain(self, what: str, path: str) -> None:
        if self.takes.get(what):
            raise AttributeFailed(f"writing to {path}: {self.takes[what]}")

    def _bind(self, driver: str, *, loud: bool) -> None:
        if self.takes.get(driver):
            if loud:
                raise AttributeFailed(f"bind: {self.takes[driver]}")
            return
        self.link.symlink_to(f"../../../../bus/pci/drivers/{driver}")

    @property
    def link(self) -> Path:
        return self.root / "sys/bus/pci/devices" / AUDIO / "driver"

    @property
    def override(self) -> str | None:
        text = (self.root / "sys/bus/pci/devices" / AUDIO / "driver_override").read_text().strip()
        return None if text in ("", "(null)") else text

    def now(self) -> DriverState:
        return DriverState(os.path.basename(os.readlink(self.link)) if self.link.is_symlink() else None, self.override)

    def observe(self, driver: str, *accepted: str) -> tuple[DriverRun, Observation]:
        run = DriverRun(DriverRequest(AUDIO, driver), frozenset(accepted), LIMIT, str(self.root))
        return run, run.observe()

    def run(self, driver: str, *accepted: str) -> DriverState:
        run, observation = self.observe(driver, *accepted)
        assert observation.plan.refusals == ()
        return run.hand_over(observation)


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Return a kernel that answers what the engine asks of it."""
    made = Kernel(Path(build("twin-gpus", tmp_path / "root")))
    for process in (made.root / "proc").glob("[0-9]*"):
        process.rename(tmp_path / process.name)
    for name, stand_in in (
        ("load_modules", made.load),
        ("is_responsive", made.answers),
        ("write_with_limit", made.write),
    ):
        monkeypatch.setattr(driver_change, name, stand_in)
    return made


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return started(tmp_path, monkeypatch)


def test_a_handover_and_the_way_back(kernel: Kernel) -> None:
    run, observation = kernel.observe("vfio-pci")
    assert (observation.before, observation.plan.driver, observation.plan.override) == (HOST, *LENT)
    assert kernel.now() == HOST
    assert run.hand_over(observation) == kernel.now() == LENT
    assert kernel.writes == [
        f"vfio-pci > devices/{AUDIO}/driver_override",
        f"{AUDIO} > drivers/snd_hda_intel/unbind",
        f"{AUDIO} > drivers_probe",
    ]
    assert kernel.observe("vfio-pci")[1].plan.steps == ()
    assert kernel.run(AUTO) == kernel.now() == HOST
    assert kernel.observe(AUTO)[1].plan.steps == ()
    assert kernel.run(NONE) == kernel.now() == DriverState(None, NONE)
    assert kernel.observe(NONE)[1].plan.steps == ()
    assert kernel.run(AUTO) == kernel.now() == HOST


def test_drivers_are_loaded_first_and_once(kernel: Kernel) -> None:
    (kernel.root / "sys/bus/pci/drivers/vfio-pci").rename(kernel.root / "away")
    kernel.run("vfio-pci")
    assert kernel.loaded == ["modprobe -- vfio-pci"]
    kernel.run(AUTO)
    kernel.run("vfio-pci")
    assert len(kernel.loaded) == 1


@pytest.mark.parametrize("what", ["fails", "brings something else"])
def test_without_the_driver_the_function_keeps_its_driver(kernel: Kernel, what: str) -> None:
    (kernel.root / "sys/bus/pci/drivers/vfio-pci").rename(kernel.root / "away")
    kernel.module = "pci-stub"
    if what == "fails":
        kernel.takes["modprobe"] = "modprobe: Key was rejected by service"
    with pytest.raises(DriverChangeFailed, match="is as it was: on snd_hda_intel") as caught:
        kernel.run("vfio-pci")
    assert ("Key was rejected" if what == "fails" else "has no PCI driver of that name") in str(caught.value)
    assert kernel.writes == []


def test_a_driver_that_fails_to_bind_leaves_the_previous_driver(kernel: Kernel) -> None:
    kernel.takes["vfio-pci"] = "Invalid argument"
    with pytest.raises(DriverChangeFailed) as caught:
        kernel.run("vfio-pci")
    assert "it is on no driver after all steps; bind: Invalid argument" in str(caught.value)
    assert "It is as it was: on snd_hda_intel." in str(caught.value)
    assert caught.value.after == kernel.now() == HOST


def test_both_errors_are_reported_when_the_previous_driver_fails_to_bind_too(kernel: Kernel) -> None:
    kernel.takes.update({"vfio-pci": "Invalid argument", "snd_hda_intel": "Device or resource busy"})
    with pytest.raises(DriverChangeFailed) as caught:
        kernel.run("vfio-pci")
    assert "bind: Invalid argument" in str(caught.value)
    assert "could not be restored: bind: Device or resource busy" in str(caught.value)
    assert "It is on no driver now, and was on snd_hda_intel" in str(caught.value)
    assert caught.value.after == kernel.now() == DriverState(None, None)


def test_a_refused_unbind_leaves_things_as_they_were(kernel: Kernel) -> None:
    kernel.takes["unbind"] = "No such device"
    with pytest.raises(DriverChangeFailed, match=r"No such device\nIt is as it was"):
        kernel.run("vfio-pci")
    assert kernel.now() == HOST


def test_a_driver_that_hangs_is_named_and_the_function_is_not_accessed_again(kernel: Kernel) -> None:
    kernel.hanging.append("snd_hda_intel/unbind")
    with pytest.raises(DriverChangeFailed) as caught:
        kernel.run("vfio-pci")
    message = str(caught.value)
    assert f"{AUDIO}: snd_hda_intel hangs" in message
    assert "did not return within 30 s" in message
    assert f"Process {kernel.left.pid} is left behind" in message
    assert "a reboot is the only way out" in message
    assert caught.value.after == DriverState("snd_hda_intel", "vfio-pci")
    assert kernel.writes[-1] == f"{AUDIO} > drivers/snd_hda_intel/unbind"


def test_a_driver_that_hangs_when_it_is_loaded(kernel: Kernel) -> None:
    (kernel.root / "sys/bus/pci/drivers/vfio-pci").rename(kernel.root / "away")
    kernel.hanging.append("modprobe")
    with pytest.raises(DriverChangeFailed, match="vfio-pci hangs") as caught:
        kernel.run("vfio-pci")
    assert caught.value.after == HOST


def test_a_function_that_hangs_already_is_refused(kernel: Kernel) -> None:
    kernel.hanging.append(f"{AUDIO}/driver_override")
    _run, observation = kernel.observe(AUTO)
    assert [refusal.code for refusal in observation.plan.refusals] == ["driver_hangs"]
    assert (observation.before, observation.plan.steps) == (DriverState("snd_hda_intel", None), ())


@pytest.mark.parametrize(
    ("words", "hangs"),
    [
        (["python3", "-c", "x", "/sys/bus/pci/drivers/vfio-pci/unbind", AUDIO], True),
        (["python3", "-c", "x", f"/sys/bus/pci/devices/{AUDIO}/driver_override", ""], True),
        (["python3", "-c", "x", f"/sys/bus/pci/devices/{AUDIO}/driver_override", "vfio-pci"], True),
        (["python3", "-c", "x", "/sys/bus/pci/drivers/vfio-pci/unbind", "0000:41:00.1"], False),
        (["lspci", "-s", AUDIO], False),
        ([], False),
    ],
)
def test_a_function_that_an_earlier_run_left_hanging_is_refused(kernel: Kernel, words: list[str], hangs: bool) -> None:
    """Its link to the driver is gone, and all attributes are readable."""
    kernel.link.unlink()
    (kernel.root / "proc/77").mkdir()
    (kernel.root / "proc/77/cmdline").write_text("".join(word + "\0" for word in words))
    refusals = kernel.observe("vfio-pci")[1].plan.refusals
    assert [refusal.code for refusal in refusals] == (["driver_hangs"] if hangs else [])
    assert all("process 77 waits in the kernel" in refusal.seen for refusal in refusals)


def test_an_undo_that_hangs_is_reported(kernel: Kernel) -> None:
    kernel.takes["vfio-pci"] = "Invalid argument"
    kernel.hanging.append("snd_hda_intel/bind")
    with pytest.raises(DriverChangeFailed, match="could not be restored: writing"):
        kernel.run("vfio-pci")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda kernel: setattr(kernel, "own", "vfio-pci"),
            "the kernel picked vfio-pci, which claims the function by its ids",
        ),
        (lambda kernel: kernel.takes.update(snd_hda_intel="No such device"), "snd_hda_intel claims the function"),
    ],
)
def test_auto_without_a_driver_of_the_host_fails(kernel: Kernel, prepare: Callable[[Kernel], None], words: str) -> None:
    kernel.run("vfio-pci")
    prepare(kernel)
    with pytest.raises(DriverChangeFailed, match=words) as caught:
        kernel.run(AUTO)
    assert caught.value.after == kernel.now() == LENT


def test_auto_without_any_driver_is_noted(kernel: Kernel) -> None:
    """A blacklisted driver, for example: the host would boot so."""
    kernel.run("vfio-pci")
    (kernel.root / "sys/module/snd_hda_intel").rmdir()
    kernel.own = None
    run, observation = kernel.observe(AUTO)
    kernel.takes["modprobe"] = "modprobe: it said something"
    after = run.hand_over(observation)
    assert after == DriverState(None, None)
    notes = run.notes(observation, after)
    assert "the function has no driver now" in notes[-2]
    assert notes[-1] == "modprobe: it said something"


def test_a_function_that_a_process_has_open_is_in_use(kernel: Kernel) -> None:
    (player,) = (path for path in kernel.root.parent.glob("[0-9]*") if (path / "comm").read_text() == "wireplumber\n")
    player.rename(kernel.root / "proc" / player.name)
    (refusal,) = kernel.observe("vfio-pci")[1].plan.refusals
    assert refusal.code == "device_in_use"
    assert f"process wireplumber ({player.name})" in refusal.seen
    assert kernel.run("vfio-pci", "device_in_use") == LENT


def test_no_such_function(kernel: Kernel) -> None:
    run = DriverRun(DriverRequest("0000:99:00.0", "vfio-pci"), frozenset(), LIMIT, str(kernel.root))
    assert [refusal.code for refusal in run.observe().plan.refusals] == ["device_not_found"]
