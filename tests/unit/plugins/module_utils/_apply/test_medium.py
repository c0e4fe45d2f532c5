# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media, made by the real programs and read by others: their content, who can read them, and what a failure leaves."""

from __future__ import annotations

import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import medium
from ansible_collections.vfio.workstation.plugins.module_utils._apply.commands import run
from ansible_collections.vfio.workstation.plugins.module_utils._apply.transaction import ApplyFailed, Transaction
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import LINUX as OS_LINUX
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import WINDOWS11, GuestRequest
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import (
    InstallRequest,
    WindowsInstall,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import MakeMedium, RemoveMedium
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.install import (
    answer_medium,
    holds,
    make_medium,
    medium_path,
    remove_medium,
)
from ansible_collections.vfio.workstation.tests.guests.install import LINUX, WINDOWS

PROGRAMS = ("/usr/bin/xorriso", "/usr/bin/genisoimage")
INSTALLS = {"windows": WINDOWS, "linux": LINUX}


def step_for(install: InstallRequest, program: str = PROGRAMS[0]) -> MakeMedium:
    name = "windows" if isinstance(install, WindowsInstall) else "linux"
    guest = GuestRequest(name, os=WINDOWS11 if name == "windows" else OS_LINUX)
    step = make_medium(name, answer_medium(guest, install), {program: "file"})
    assert step is not None
    return step


def make(root: Path, step: MakeMedium) -> Path:
    with Transaction({}, str(root)) as transaction:
        transaction.apply([step])
    return root / step.path.lstrip("/")


def remains(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module", params=[(name, program) for name in INSTALLS for program in PROGRAMS])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, MakeMedium]]:
    name, program = request.param
    step = step_for(INSTALLS[name], program)
    yield make(tmp_path_factory.mktemp("host"), step), step


def test_other_programs_read_what_was_written(made: tuple[Path, MakeMedium], tmp_path: Path) -> None:
    path, step = made
    subprocess.run(["bsdtar", "-x", "-f", path, "-C", tmp_path], check=True)
    assert {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == {
        name: text.encode() for name, text in step.content
    }


def test_windows_finds_the_names_as_they_are(made: tuple[Path, MakeMedium]) -> None:
    path, step = made
    listing = subprocess.run(["isoinfo", "-J", "-f", "-i", path], check=True, capture_output=True, text=True).stdout
    assert {f"/{name}" for name, _text in step.content} <= set(listing.splitlines())


def test_linux_finds_the_names_as_they_are(made: tuple[Path, MakeMedium]) -> None:
    path, step = made
    listing = subprocess.run(["isoinfo", "-R", "-f", "-i", path], check=True, capture_output=True, text=True).stdout
    assert {f"/{name}" for name, _text in step.content} <= set(listing.splitlines())


def test_the_label_is_the_one_that_cloud_init_looks_for(made: tuple[Path, MakeMedium]) -> None:
    path, step = made
    argv = ["blkid", "--probe", "--output", "value", "--match-tag", "LABEL", "--match-tag", "TYPE", path]
    label, kind = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    assert kind == "iso9660"
    assert label == ("CIDATA" if "user-data" in dict(step.content) else "ANSWERS")


def test_only_root_can_read_it_and_nothing_else_is_left(made: tuple[Path, MakeMedium]) -> None:
    path, step = made
    root = path.parents[len(Path(step.path).parts) - 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert remains(root) == {step.path.lstrip("/")}


def test_the_same_answers_make_the_same_medium(tmp_path: Path) -> None:
    first = make(tmp_path / "a", step_for(WINDOWS)).read_bytes()
    time.sleep(1.1)  # times on a medium are in seconds
    second = make(tmp_path / "b", step_for(WINDOWS)).read_bytes()
    assert first == second
    assert holds(first, answer_medium(GuestRequest("windows", os=WINDOWS11), WINDOWS))


def test_the_answers_are_private_while_the_tool_runs(tmp_path: Path) -> None:
    modes = {}

    def runner(argv: Sequence[str]) -> str:
        directory = tmp_path / medium.STAGING.lstrip("/")
        modes.update({path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))})
        return run(argv)

    step = step_for(WINDOWS)
    with Transaction({}, str(tmp_path), runner) as transaction:
        transaction.apply([step])
    assert {name for name, mode in modes.items() if mode == 0o700} == {"medium", "vfio-workstation"}
    assert set(modes.values()) == {0o700, 0o600}


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    staging = tmp_path / medium.STAGING.lstrip("/")
    staging.mkdir(parents=True)
    (staging / "autounattend.xml").write_text("of a killed run")
    draft = tmp_path / medium_path("windows").lstrip("/")
    draft.parent.mkdir(parents=True)
    make(tmp_path, step_for(WINDOWS))
    assert remains(tmp_path) == {medium_path("windows").lstrip("/")}


@pytest.mark.parametrize("failing", ["/bin/false", "/bin/true"])
def test_a_failure_leaves_the_medium_as_it_was(failing: str, tmp_path: Path) -> None:
    path = make(tmp_path, step_for(WINDOWS))
    before = path.read_bytes()
    step = step_for(WINDOWS._replace(locale="fr-FR"))._replace(argv=(failing,))
    with pytest.raises(ApplyFailed), Transaction({}, str(tmp_path)) as transaction:
        transaction.apply([step])
    assert path.read_bytes() == before
    assert remains(tmp_path) == {medium_path("windows").lstrip("/")}


def test_a_later_failure_takes_the_medium_away(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Transaction({}, str(tmp_path)) as transaction:
        transaction.apply([step_for(LINUX)])
        raise RuntimeError
    assert remains(tmp_path) == set()


def test_a_medium_is_removed_and_restored(tmp_path: Path) -> None:
    path = make(tmp_path, step_for(LINUX))
    before = path.read_bytes()
    step = remove_medium("linux")
    assert isinstance(step, RemoveMedium)
    with pytest.raises(RuntimeError), Transaction({}, str(tmp_path)) as transaction:
        transaction.apply([step])
        assert not path.exists()
        raise RuntimeError
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
