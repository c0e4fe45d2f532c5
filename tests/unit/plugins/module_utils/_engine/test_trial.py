# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A power cut between any two steps of a trial: what boots is the entry without VFIO, or what was confirmed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._engine.trial_run import TrialRun
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    GenerateFile,
    OverwriteFile,
    Step,
    WriteFile,
    WriteVariable,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.trial import (
    ARMED,
    FINAL,
    RETURNED,
    STARTED,
    STOCK,
    TRIAL_FILE,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.boot.loaders.grub_trial import block
from ansible_collections.vfio.workstation.plugins.module_utils._plan.trial_files import UNIT_FILE, WATCHDOG_FILE
from ansible_collections.vfio.workstation.tests.stand_ins import systemd_boot
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.trial_hosts import (
    BLOCK,
    ENTRIES,
    VERSION,
    GrubHost,
    Host,
    SystemdBootHost,
)
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.boot.loaders.test_grub_trial import (
    plant,
)

FIRST = {"hugepages": [{"size": "2M", "count": 8, "at": "boot"}], "trial": True}
SECOND = {"hugepages": [{"size": "2M", "count": 16, "at": "boot"}], "trial": True}
# The decorator next to the function: a test that is of one boot loader.
with_grub = pytest.mark.parametrize("host", [GrubHost], indirect=True)
with_systemd_boot = pytest.mark.parametrize("host", [SystemdBootHost], indirect=True)


@pytest.fixture(name="host", params=[GrubHost, SystemdBootHost])
def host_in_a_directory(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    host: Host = request.param(tmp_path / "host")
    return host


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
    # One write confirms, and it comes first.
    assert isinstance(outcome.steps[0], (OverwriteFile, WriteVariable))
    assert [type(step) for step in outcome.steps].count(type(outcome.steps[0])) == 1
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


@pytest.mark.slow
def test_a_power_cut_while_another_configuration_is_staged(host: Host, tmp_path: Path) -> None:
    host.converge(FIRST)
    host.start()
    started(host).confirm()
    steps = host.observe(SECOND).steps
    boots = cut_after_each(host, steps, tmp_path)
    assert boots[0] == [arguments(8)] * 2
    assert boots[-1] == [arguments(16), ""]
    assert boots[1:-1] == [["", ""]] * (len(steps) - 1)


@pytest.mark.slow
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
    # The line that has the arguments is in the menu that is generated, or in the entry.
    menu = next(
        number
        for number, step in enumerate(steps)
        if isinstance(step, GenerateFile) or (isinstance(step, WriteFile) and step.path.startswith("/boot/efi/"))
    )
    boots = cut_after_each(host, steps, tmp_path)
    assert boots == [[arguments(8)] * 2] * (menu + 1) + [["", ""]] * (len(steps) - menu)


@pytest.mark.slow
def test_a_killed_run_is_completed_by_the_next(host: Host, tmp_path: Path) -> None:
    steps = host.observe(FIRST).steps
    for count in range(len(steps) + 1):
        twin = host.copy(tmp_path / str(count))
        twin.apply(steps[:count])
        assert twin.converge(FIRST).steps == ()
        assert [twin.start(), twin.start()] == [arguments(8), ""]
        shutil.rmtree(twin.root)


def contents(host: Host) -> dict[Path, bytes]:
    """Return all files of /etc and /boot, and the EFI variables."""
    paths = (path for part in ("[eb]*", "sys/firmware/efi/efivars") for path in host.root.glob(f"{part}/**/*"))
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_what_is_removed_leaves_no_trace(host: Host) -> None:
    before = contents(host)
    host.converge(FIRST)
    assert host.converge(None).steps == ()
    assert contents(host) == before
    assert not (host.root / TRIAL_FILE.lstrip("/")).exists()


def test_trial_boots_are_switched_off(host: Host) -> None:
    host.converge(FIRST)
    host.start()
    started(host).confirm()
    without = {**FIRST, "trial": False}
    assert host.converge(without).steps == ()
    assert host.start() == arguments(8).removesuffix(" panic=30")
    assert host.choice is None
    assert not (host.root / BLOCK).exists()
    assert not (host.root / UNIT_FILE.lstrip("/")).exists()
    menu = host.root / "boot/grub/grub.cfg"
    assert not menu.exists() or "Trial boots" not in menu.read_text("utf-8")


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


@with_grub
def test_a_block_that_grub_did_not_change_is_changed_by_the_unit(host: Host) -> None:
    """A person chose the entry in the menu."""
    host.converge(FIRST)
    host.start()
    plant(host.root, {f"/{BLOCK}": block(ARMED)})
    started(host)
    assert host.choice == STOCK


@with_grub
def test_a_file_system_that_grub_can_not_write_is_refused_unless_overridden(host: Host) -> None:
    plant(host.root, {"/proc/self/mountinfo": "25 1 0:40 / / rw - btrfs /dev/x rw\n"})
    (refusal,) = host.observe(FIRST).refusals
    assert refusal.code == "trial_unsupported"
    left = host.converge({**FIRST, "accept": ["trial_unsupported"]})
    assert (left.steps, left.live["trial"]) == ((), None)
    assert host.start() == arguments(8)


@with_systemd_boot
@pytest.mark.parametrize("default", ["debian-*", "@saved"])
def test_a_default_that_a_person_chose_is_restored(host: Host, default: str) -> None:
    systemd_boot.write(host.root, "LoaderEntryDefault", default)
    before = contents(host)
    host.converge(FIRST)
    assert [host.start(), host.start()] == [arguments(8), ""]
    host.converge({**FIRST, "accept": ["trial_returned"]})
    assert host.start() == arguments(8)
    started(host).confirm()
    assert systemd_boot.read(host.root, "LoaderEntryDefault") == default
    assert [host.start() for _boot in range(2)] == [arguments(8)] * 2
    systemd_boot.variable(host.root, "LoaderEntryLastBooted").unlink(missing_ok=True)
    assert host.converge(None).steps == ()
    assert contents(host) == before


@with_systemd_boot
def test_boot_counters_are_respected(host: Host) -> None:
    entries = host.root / ENTRIES
    (entries / f"debian-{VERSION}.conf").rename(entries / f"debian-{VERSION}+3.conf")
    host.converge(FIRST)
    assert [host.start(), host.start()] == [arguments(8), ""]
    # The trial used up one of its tries; the entry without VFIO has no counter.
    assert sorted(path.name for path in entries.iterdir()) == [
        f"debian-0-vfio-workstation-fallback-{VERSION}.conf",
        f"debian-{VERSION}+2-1.conf",
    ]
    host.converge({**FIRST, "accept": ["trial_returned"]})
    assert host.start() == arguments(8)
    started(host).confirm()
    # systemd-bless-boot.service
    (entries / f"debian-{VERSION}+1-2.conf").rename(entries / f"debian-{VERSION}.conf")
    assert host.start() == arguments(8)
    assert host.observe(FIRST).steps == ()


@with_systemd_boot
def test_variables_that_the_firmware_lost_are_set_by_the_unit(host: Host) -> None:
    """Nothing but the variables says which entry is the default: the configuration is started."""
    host.converge(FIRST)
    for name in ("LoaderEntryDefault", "LoaderEntryOneShot"):
        systemd_boot.variable(host.root, name).unlink()
    assert host.start() == arguments(8)
    trial = started(host)
    assert (trial.is_trial, host.choice) == (True, STOCK)
    assert host.start() == ""


@with_systemd_boot
def test_the_entry_of_the_kernel_that_ran_is_the_way_back(host: Host) -> None:
    """A newer kernel was installed before the trial: it is tried, and may be what fails."""
    newer = VERSION.replace("6.12.43", "6.12.48")
    entry = (host.root / ENTRIES / f"debian-{VERSION}.conf").read_text("utf-8").replace(VERSION, newer)
    modules = (host.root / "usr/lib/modules", host.root / "lib/modules")
    folder = next(path for path in modules if path.is_dir())
    shutil.copytree(folder / VERSION, folder / newer, symlinks=True)
    image = f"/boot/efi/debian/{newer}/linux"
    plant(host.root, {f"/boot/vmlinuz-{newer}": "", image: "", f"/{ENTRIES}/debian-{newer}.conf": entry})
    host.converge(FIRST)
    pattern = systemd_boot.read(host.root, "LoaderEntryOneShot")
    assert pattern == f"debian-{newer}[.+]*"
    default = systemd_boot.read(host.root, "LoaderEntryDefault")
    assert default == f"debian-0-vfio-workstation-fallback-{VERSION}.conf"
    assert [host.start(), host.start()] == [arguments(8), ""]


@with_systemd_boot
def test_a_systemd_boot_without_patterns_is_refused(host: Host) -> None:
    systemd_boot.introduce(host.root, version="247.3-7")
    (refusal,) = host.observe(FIRST).refusals
    assert refusal.code == "trial_unsupported"
    assert "systemd-boot 247.3-7" in refusal.seen
