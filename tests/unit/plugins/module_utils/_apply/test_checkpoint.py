# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a file system so that a boot loader finds what was written, and when."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import checkpoint as settle
from ansible_collections.vfio.workstation.plugins.module_utils._apply import files
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import is_draft

CHECKPOINT, FREEZE, THAW = 1074030123, 3221510263, 3221510264


class Kernel:
    """Answers ioctl(2): with an error for what it does not know."""

    def __init__(self, *known: int) -> None:
        self.asked: list[int] = []
        self._known = known

    def ioctl(self, _descriptor: int, request: int, _argument: bytes) -> None:
        self.asked.append(request)
        if request not in self._known:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")


def ask(monkeypatch: pytest.MonkeyPatch, kernel: Kernel, folder: Path, *, is_root: bool) -> bool:
    device = folder.stat().st_dev
    real = os.stat

    def stat(path: str) -> os.stat_result:
        found = real(path)
        return found if path != "/" else os.stat_result((*found[:2], device if is_root else device + 1, *found[3:]))

    monkeypatch.setattr(settle.fcntl, "ioctl", kernel.ioctl)
    monkeypatch.setattr(settle.os, "stat", stat)
    return settle.settle(str(folder))


@pytest.mark.parametrize("is_root", [True, False])
def test_ext4_is_asked_for_a_checkpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_root: bool) -> None:
    kernel = Kernel(CHECKPOINT)
    assert ask(monkeypatch, kernel, tmp_path, is_root=is_root)
    assert kernel.asked == [CHECKPOINT]


def test_what_knows_none_is_frozen_and_thawed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel(FREEZE, THAW)
    assert ask(monkeypatch, kernel, tmp_path, is_root=False)
    assert kernel.asked == [CHECKPOINT, FREEZE, THAW]


def test_the_root_file_system_is_never_frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel(FREEZE, THAW)
    assert not ask(monkeypatch, kernel, tmp_path, is_root=True)
    assert kernel.asked == [CHECKPOINT]


def test_what_was_not_frozen_is_not_thawed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel()
    assert not ask(monkeypatch, kernel, tmp_path, is_root=False)
    assert kernel.asked == [CHECKPOINT, FREEZE]


@pytest.fixture
def menu(tmp_path: Path) -> Path:
    path = tmp_path / "boot/grub/grub.cfg"
    path.parent.mkdir(parents=True)
    path.write_text("old", "utf-8")
    return path


def seen(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_between_two_settlings_nothing_but_a_name_changes(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: the new file is there by a draft's name. After: the old one is there still, by another name."""
    moments: list[dict[str, str]] = []
    monkeypatch.setattr(files, "settle", lambda folder: moments.append(seen(Path(folder))))
    inode = menu.stat().st_ino
    files.write(str(menu), b"new", None, files.keep(str(menu)))
    before, after = moments
    assert before == {"grub.cfg": "old", ".grub.cfg.vfio-workstation~": "new"}
    assert after == {"grub.cfg": "new", ".before.grub.cfg.vfio-workstation~": "old"}
    assert seen(menu.parent) == {"grub.cfg": "new"}
    assert menu.stat().st_ino != inode
    assert all(is_draft(name) for name in (*before, *after) if name != "grub.cfg")


def test_what_a_power_cut_left_by_that_name_is_no_hindrance(menu: Path) -> None:
    (menu.parent / ".before.grub.cfg.vfio-workstation~").write_text("older", "utf-8")
    files.write(str(menu), b"new", None, files.keep(str(menu)))
    assert seen(menu.parent) == {"grub.cfg": "new"}


def test_without_links_it_is_replaced_all_the_same(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_names: str, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", refuse)
    files.write(str(menu), b"new", None, files.keep(str(menu)))
    assert seen(menu.parent) == {"grub.cfg": "new"}


def test_what_is_removed_is_gone_for_a_boot_loader_too(menu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[dict[str, str]] = []
    monkeypatch.setattr(files, "settle", lambda folder: moments.append(seen(Path(folder))))
    files.remove(str(menu))
    assert moments == [{}]


def test_other_files_are_left_to_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "settle", pytest.fail)
    path = tmp_path / "etc"
    files.write(str(path), b"new", None, files.keep(str(path)))
    files.remove(str(path))
