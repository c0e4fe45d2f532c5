# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All steps are applied, or none."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._apply import (
    ApplyFailed,
    ToolFailed,
    Transaction,
    UndoFailed,
    files,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    ACTIVE,
    CONFIGURED,
    DRAFT,
    DRAFT_END,
    STAGED,
    GenerateFile,
    MoveFile,
    OverwriteFile,
    RemoveFile,
    RunTool,
    Step,
    WriteAttribute,
    WriteFile,
)

TREE = {
    "etc/default/grub": ("GRUB_TIMEOUT=5\n", 0o644),
    "boot/grub/grub.cfg": ("menuentry old {\n}\n", 0o600),
    "etc/vfio-workstation/record.json": ("{}\n", 0o640),
}
PASSING = {"grub.cfg": lambda _draft: ()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(tmp_path)
    return tmp_path


def plant(root: Path) -> None:
    for name, (text, mode) in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        os.utime(path, ns=(1, 2_000_000_000))


def contents(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return each file's content, mode and time of modification, and each directory."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    } | {str(path.relative_to(root)): (b"", 0, 0) for path in root.rglob("*") if path.is_dir()}


def tool(text: str) -> Sequence[str]:
    return ("sh", "-c", f"printf %s '{text}' > {DRAFT}")


def generate(text: str = "menuentry new {\n}\n") -> GenerateFile:
    return GenerateFile("/boot/grub/grub.cfg", tuple(tool(text)), "grub.cfg", STAGED, "make the menu")


WRITE = WriteFile("/etc/default/grub.d/ours.cfg", "A=1\n", CONFIGURED, "set a variable")
CHANGE = WriteFile("/etc/default/grub", "GRUB_TIMEOUT=1\n", CONFIGURED, "change the timeout")
REMOVE = RemoveFile("/etc/vfio-workstation/record.json", CONFIGURED, "remove the record")
MOVE = MoveFile("/etc/default/grub", "/etc/default/.grub.aside", CONFIGURED, "set it aside")
FAIL = RunTool(("sh", "-c", "echo out of luck; exit 3"), STAGED, "run it")


def test_steps_are_applied_in_order(root: Path) -> None:
    with Transaction(PASSING, str(root)) as transaction:
        transaction.apply([WRITE, CHANGE, generate(), REMOVE])
    assert (root / "etc/default/grub.d/ours.cfg").read_text() == "A=1\n"
    assert (root / "etc/default/grub").read_text() == "GRUB_TIMEOUT=1\n"
    assert (root / "boot/grub/grub.cfg").read_text() == "menuentry new {\n}\n"
    assert not (root / "etc/vfio-workstation").exists()
    assert transaction.receipt.written == ("/etc/default/grub.d/ours.cfg", "/etc/default/grub", "/boot/grub/grub.cfg")
    assert transaction.receipt.removed == ("/etc/vfio-workstation/record.json",)
    assert len(transaction.receipt.tools) == 1


def test_a_file_keeps_its_mode_and_a_new_file_is_readable(root: Path) -> None:
    with Transaction(PASSING, str(root)) as transaction:
        transaction.apply([WRITE, generate(), WRITE._replace(path="/etc/grub.d/11_ours", mode=0o755)])
    assert stat.S_IMODE((root / "boot/grub/grub.cfg").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "etc/default/grub.d/ours.cfg").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "etc/grub.d/11_ours").stat().st_mode) == 0o755


def test_a_symbolic_link_stays_one(root: Path) -> None:
    (root / "etc/grub2.cfg").symlink_to(root / "boot/grub/grub.cfg")
    with Transaction(PASSING, str(root)) as transaction:
        transaction.apply([generate()._replace(path="/etc/grub2.cfg")])
    assert (root / "etc/grub2.cfg").is_symlink()
    assert (root / "boot/grub/grub.cfg").read_text() == "menuentry new {\n}\n"


def test_a_file_is_renamed_with_what_it_has(root: Path) -> None:
    grub, aside = root / "etc/default/grub", root / "etc/default/.grub.aside"
    os.setxattr(grub, "user.note", b"mine")
    aside.write_text("older\n")
    before = grub.stat()
    with Transaction(PASSING, str(root)) as transaction:
        transaction.apply([MOVE])
    assert not grub.exists()
    after = aside.stat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert os.getxattr(aside, "user.note") == b"mine"
    assert (transaction.receipt.written, transaction.receipt.removed) == (("/etc/default/.grub.aside",), (MOVE.path,))


def test_a_renamed_file_comes_back_with_what_it_had(root: Path) -> None:
    grub, aside = root / "etc/default/grub", root / "etc/default/.grub.aside"
    os.setxattr(grub, "user.note", b"mine")
    aside.write_text("older\n")
    before = contents(root)
    with pytest.raises(ApplyFailed), Transaction(PASSING, str(root)) as transaction:
        transaction.apply([MOVE, FAIL])
    assert contents(root) == before
    assert os.getxattr(grub, "user.note") == b"mine"


FAILURES: dict[str, tuple[list[Step], str]] = {
    "a tool that fails": ([FAIL], "exit status 3\nout of luck"),
    "a tool that is missing": ([RunTool(("/no/such/tool",), STAGED, "run it")], "/no/such/tool: No such file"),
    "a tool that writes nothing": ([generate()._replace(argv=("true",))], "wrote no file"),
    "a tool that env starts": (
        [generate()._replace(argv=("/usr/bin/env", "-u", "LC_ALL", "LANG=de_DE.UTF-8", "true"))],
        ": true reported success, but wrote no file",
    ),
    "a generator that fails": (
        [generate()._replace(argv=("sh", "-c", "echo half > {draft}; exit 1"))],
        "exit status 1",
    ),
    "a file to rename that is missing": ([MOVE._replace(path="/etc/default/x")], "/etc/default/x: No such file"),
    "a directory instead of a file": ([WRITE._replace(path="/etc/default")], "Is a directory"),
    "a file instead of a directory": ([WRITE._replace(path="/etc/default/grub/x")], "Not a directory"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_leaves_everything_unchanged(root: Path, name: str) -> None:
    steps, message = FAILURES[name]
    before = contents(root)
    with pytest.raises(ApplyFailed, match=message), Transaction(PASSING, str(root)) as transaction:
        transaction.apply([WRITE, CHANGE, generate(), REMOVE, *steps])
    assert contents(root) == before


def test_a_rejected_draft_is_not_used(root: Path) -> None:
    before = contents(root)
    checked = []

    def check(draft: str) -> list[str]:
        checked.append((root / draft.lstrip("/")).read_text())
        return ["entry x has no kernel"]

    transaction = Transaction({"grub.cfg": check}, str(root))
    with pytest.raises(ApplyFailed, match="entry x has no kernel"), transaction:
        transaction.apply([CHANGE, generate("bad")])
    assert checked == ["bad"]
    assert contents(root) == before


def test_an_error_after_the_steps_undoes_them(root: Path) -> None:
    before = contents(root)
    with pytest.raises(KeyError), Transaction(PASSING, str(root)) as transaction:
        transaction.apply([CHANGE, REMOVE])
        raise KeyError("verification")
    assert contents(root) == before


def test_a_file_that_cannot_be_restored_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_snapshot: files.Snapshot) -> None:
        raise PermissionError(13, "Permission denied")

    message = r"Could not be restored: .*/etc/default/grub: Permission denied"
    with pytest.raises(ApplyFailed, match=message), Transaction(PASSING, str(root)) as transaction:
        transaction.apply([CHANGE])
        monkeypatch.setattr(files, "restore", refuse)
        transaction.apply([FAIL])


# Each example calls fsync(2) some twenty times.
@settings(max_examples=20)
@given(st.lists(st.sampled_from([WRITE, CHANGE, MOVE, REMOVE, generate()]), max_size=6), st.integers(0, 6))
def test_a_plan_that_fails_at_any_step_leaves_everything_unchanged(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], position: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    plant(root)
    before = contents(root)

    def runner(argv: Sequence[str]) -> str:
        if argv[-1] == "fail":
            raise ToolFailed("fail: exit status 1")
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    failing = RunTool(("fail",), STAGED, "fail")
    with pytest.raises(ApplyFailed), Transaction(PASSING, str(root), runner) as transaction:
        transaction.apply([*steps[:position], failing, *steps[position:]])
    assert contents(root) == before


def test_an_attribute_is_written_and_restored_when_a_later_step_fails(root: Path) -> None:
    path = root / "sys/nr_hugepages"
    path.parent.mkdir()
    path.write_text("3\n")
    allocate = WriteAttribute("/sys/nr_hugepages", "8", ACTIVE, "allocate huge pages")
    with Transaction({}, str(root)) as transaction:
        transaction.apply([allocate])
    assert path.read_text().rstrip("\n") == "8"
    assert transaction.receipt.written == ("/sys/nr_hugepages",)
    path.write_text("3\n")
    failing = WriteFile("/etc/default/grub/x", "", CONFIGURED, "write below a file")
    with pytest.raises(ApplyFailed), Transaction({}, str(root)) as transaction:
        transaction.apply([allocate, failing])
    assert path.read_text().rstrip("\n") == "3"


def test_a_missing_attribute_is_named(root: Path) -> None:
    transaction = Transaction({}, str(root))
    with pytest.raises(ApplyFailed, match=r"allocate huge pages: .*nr_hugepages"), transaction:
        transaction.apply([WriteAttribute("/sys/nr_hugepages", "8", ACTIVE, "allocate huge pages")])


def test_tools_do_not_read_drafts() -> None:
    for name in ("/etc/default/grub.d/a.cfg", "/boot/loader/entries/a.conf", "/efi/EFI/Linux/a.efi", "/etc/x.rules"):
        draft = Path(files.draft_path(name))
        assert draft.parent == Path(name).parent
        assert draft.name.startswith(".")
        assert draft.suffix not in (".cfg", ".conf", ".efi", ".rules", ".install", "")


def test_what_another_program_wrote_meanwhile_is_kept(root: Path) -> None:
    """A failure restores what these steps did, and not over somebody else's file."""
    grub = root / "etc/default/grub"
    with pytest.raises(UndoFailed) as failed, Transaction(PASSING, str(root)) as transaction:
        transaction.apply([WRITE, CHANGE])
        grub.write_text("GRUB_TIMEOUT=somebody\n")
        transaction.apply([FAIL])
    assert grub.read_text() == "GRUB_TIMEOUT=somebody\n"
    assert f"{grub}: another program has changed it meanwhile, and its version is kept" in str(failed.value)
    assert not (root / "etc/default/grub.d/ours.cfg").exists()


def test_a_file_that_changed_after_planning_is_not_overwritten(root: Path) -> None:
    before = contents(root)
    since = time.time_ns()
    time.sleep(0.02)  # the kernel's clock for files ticks every 4 to 10 ms
    (root / "etc/default/grub").write_text("GRUB_TIMEOUT=somebody\n")
    changed = contents(root)
    assert changed != before
    raised = pytest.raises(ApplyFailed, match="another program changed it")
    with raised as failed, Transaction(PASSING, str(root), since=since) as transaction:
        transaction.apply([WRITE, CHANGE])
    assert not isinstance(failed.value, UndoFailed)
    assert contents(root) == changed


def test_a_file_may_be_changed_twice(root: Path) -> None:
    since = time.time_ns()
    with Transaction(PASSING, str(root), since=since) as transaction:
        transaction.apply([CHANGE, CHANGE._replace(content="GRUB_TIMEOUT=2\n")])
    assert (root / "etc/default/grub").read_text() == "GRUB_TIMEOUT=2\n"


def test_a_date_in_the_future_says_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a machine whose clock was wrong: its files are of tomorrow."""
    tomorrow = time.time_ns() - 86_400_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: tomorrow)
    with Transaction(PASSING, str(root), since=tomorrow - 1) as transaction:
        transaction.apply([CHANGE])
    assert (root / "etc/default/grub").read_text() == "GRUB_TIMEOUT=1\n"


def test_a_file_that_loses_the_second_name_of_a_killed_run_is_ours_to_change(root: Path) -> None:
    """Removing the leftover dates the file's metadata, which is no change by another program."""
    menu = root / "boot/grub/grub.cfg"
    leftover = menu.with_name(f".before.grub.cfg{DRAFT_END}")
    os.link(menu, leftover)
    since = time.time_ns()
    time.sleep(0.02)
    with Transaction(PASSING, str(root), since=since) as transaction:
        transaction.apply([RemoveFile("/boot/grub/" + leftover.name, CONFIGURED, "remove a leftover"), generate()])
    assert menu.read_text() == "menuentry new {\n}\n"


def test_a_file_that_was_overwritten_in_place_is_restored_in_place(root: Path) -> None:
    path = root / "etc/default/grub"
    before = path.stat().st_ino
    with pytest.raises(ApplyFailed, match="size"), Transaction({}, str(root)) as transaction:
        transaction.apply([OverwriteFile("/etc/default/grub", "GRUB_TIMEOUT=0\n", STAGED, "wait less")])
        assert path.read_text() == "GRUB_TIMEOUT=0\n"
        transaction.apply([OverwriteFile("/etc/default/grub", "", STAGED, "wait")])
    assert (path.read_text(), path.stat().st_ino) == ("GRUB_TIMEOUT=5\n", before)
