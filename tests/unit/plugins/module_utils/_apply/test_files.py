# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are put back, and those that need not be are left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import files


def test_a_file_that_is_as_it_was_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    kept = files.keep(str(path))
    inode = path.stat().st_ino
    files.restore(kept)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("change", ["content", "mode", "date"])
def test_a_file_that_changed_is_put_back(tmp_path: Path, change: str) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    kept = files.keep(str(path))
    before = path.stat()
    if change == "content":
        path.write_text("new")
        os.utime(path, ns=kept.times)
    elif change == "mode":
        path.chmod(0o600)
    else:
        os.utime(path, ns=(5, 5))
    files.restore(kept)
    assert path.read_text() == "old"
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_what_could_not_be_put_back_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    kept = files.keep(str(path))
    path.unlink()
    path.mkdir()
    (path / "in the way").touch()
    with pytest.raises(OSError, match="directory"):
        files.restore(kept)
    assert [name.name for name in tmp_path.iterdir()] == ["image"]


@pytest.mark.parametrize("folder", ["vfio-workstation", "90vfio-workstation", "vfio-workstation/initramfs"])
def test_a_folder_of_ours_goes_with_its_last_file(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "etc" / folder / "file"
    path.parent.mkdir(parents=True)
    path.touch()
    files.remove(str(path))
    assert list(tmp_path.rglob("*")) == [tmp_path / "etc"]
