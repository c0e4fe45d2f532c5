# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the journal of a boot file system is flushed, and how."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import checkpoint, files
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import is_draft

CHECKPOINT, COMMIT, FREEZE, THAW = 1074030123, 37896, 3221510263, 3221510264  # ioctl(2) requests


class Kernel:
    """An ioctl(2) that records requests, and fails for those that it does not support."""

    def __init__(self, *supported: int) -> None:
        self.requests: list[int] = []
        self._supported = supported

    def ioctl(self, _descriptor: int, request: int, _argument: bytes) -> None:
        self.requests.append(request)
        if request not in self._supported:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")


def flush(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, directory: Path, *, is_root: bool) -> bool:
    device = directory.stat().st_dev
    original_stat = os.stat

    def stat(path: str) -> os.stat_result:
        status = original_stat(path)
        if path != "/":
            return status
        return os.stat_result((*status[:2], device if is_root else device + 1, *status[3:]))

    monkeypatch.setattr(checkpoint.fcntl, "ioctl", kernel.ioctl)
    monkeypatch.setattr(checkpoint.os, "stat", stat)
    return checkpoint.flush_journal(str(directory))


@pytest.mark.parametrize("is_root", [True, False])
def test_ext4_makes_a_checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_root: bool) -> None:
    kernel = Kernel(CHECKPOINT)
    assert flush(monkeypatch, kernel, tmp_path, is_root=is_root)
    assert kernel.requests == [CHECKPOINT]


@pytest.mark.parametrize("is_root", [True, False])
def test_btrfs_commits_its_transaction(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_root: bool) -> None:
    kernel = Kernel(COMMIT, FREEZE, THAW)
    assert flush(monkeypatch, kernel, tmp_path, is_root=is_root)
    assert kernel.requests == [CHECKPOINT, COMMIT]


def test_other_file_systems_are_frozen_and_thawed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel(FREEZE, THAW)
    assert flush(monkeypatch, kernel, tmp_path, is_root=False)
    assert kernel.requests == [CHECKPOINT, COMMIT, FREEZE, THAW]


def test_the_root_file_system_is_never_frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel(FREEZE, THAW)
    assert not flush(monkeypatch, kernel, tmp_path, is_root=True)
    assert kernel.requests == [CHECKPOINT, COMMIT]


def test_a_file_system_that_was_not_frozen_is_not_thawed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel()
    assert not flush(monkeypatch, kernel, tmp_path, is_root=False)
    assert kernel.requests == [CHECKPOINT, COMMIT, FREEZE]


@pytest.fixture
def menu(tmp_path: Path) -> Path:
    path = tmp_path / "boot/grub/grub.cfg"
    path.parent.mkdir(parents=True)
    path.write_text("old", "utf-8")
    return path


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in directory.iterdir()}


def test_between_two_flushes_nothing_but_a_name_changes(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: the new file has the name of a draft. After: the old file still exists, under another name."""
    flushed: list[dict[str, str]] = []
    monkeypatch.setattr(files, "flush_journal", lambda directory: flushed.append(contents(Path(directory))))
    inode = menu.stat().st_ino
    files.write(str(menu), b"new", None, files.take_snapshot(str(menu)))
    before, after = flushed
    assert before == {"grub.cfg": "old", ".grub.cfg.vfio-workstation~": "new"}
    assert after == {"grub.cfg": "new", ".before.grub.cfg.vfio-workstation~": "old"}
    assert contents(menu.parent) == {"grub.cfg": "new"}
    assert menu.stat().st_ino != inode
    assert all(is_draft(name) for name in (*before, *after) if name != "grub.cfg")


def test_an_old_file_that_a_power_cut_left_behind_is_overwritten(menu: Path) -> None:
    (menu.parent / ".before.grub.cfg.vfio-workstation~").write_text("older", "utf-8")
    files.write(str(menu), b"new", None, files.take_snapshot(str(menu)))
    assert contents(menu.parent) == {"grub.cfg": "new"}


def test_a_file_is_replaced_without_support_for_hard_links(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_names: str, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", link)
    files.write(str(menu), b"new", None, files.take_snapshot(str(menu)))
    assert contents(menu.parent) == {"grub.cfg": "new"}


def test_a_removal_is_flushed_for_the_boot_loader(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[dict[str, str]] = []
    monkeypatch.setattr(files, "flush_journal", lambda directory: flushed.append(contents(Path(directory))))
    files.remove(str(menu))
    assert flushed == [{}]


def test_only_boot_files_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "flush_journal", pytest.fail)
    path = tmp_path / "etc"
    files.write(str(path), b"new", None, files.take_snapshot(str(path)))
    files.remove(str(path))
