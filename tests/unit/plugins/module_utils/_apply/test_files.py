# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are restored, and unchanged files are not touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import files


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    snapshot = files.take_snapshot(str(path))
    inode = path.stat().st_ino
    files.restore(snapshot)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("change", ["content", "mode", "date"])
def test_a_changed_file_is_restored(tmp_path: Path, change: str) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    snapshot = files.take_snapshot(str(path))
    before = path.stat()
    if change == "content":
        path.write_text("new")
        os.utime(path, ns=snapshot.times)
    elif change == "mode":
        path.chmod(0o600)
    else:
        os.utime(path, ns=(5, 5))
    files.restore(snapshot)
    assert path.read_text() == "old"
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_a_failed_restore_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_text("old")
    snapshot = files.take_snapshot(str(path))
    path.unlink()
    path.mkdir()
    (path / "file").touch()
    with pytest.raises(OSError, match="directory"):
        files.restore(snapshot)
    assert [name.name for name in tmp_path.iterdir()] == ["image"]


@pytest.mark.parametrize("directory", ["vfio-workstation", "90vfio-workstation", "vfio-workstation/initramfs"])
def test_a_directory_of_this_collection_is_removed_with_its_last_file(tmp_path: Path, directory: str) -> None:
    path = tmp_path / "etc" / directory / "file"
    path.parent.mkdir(parents=True)
    path.touch()
    files.remove(str(path))
    assert list(tmp_path.rglob("*")) == [tmp_path / "etc"]


def described(path: Path) -> str:
    """Everything about a file besides its content, by getfacl and getfattr."""
    argv = [
        "sh",
        "-c",
        'getfacl --omit-header "$1" && getfattr --dump --match=- "$1" 2>/dev/null | grep -v "^# file" || true',
    ]
    return subprocess.run([*argv, "sh", path], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("mode", [None, 0o600])
def test_a_replaced_file_keeps_its_acl_and_extended_attributes(tmp_path: Path, mode: int | None) -> None:
    path = tmp_path / "grub"
    path.write_text("old")
    path.chmod(0o640)
    subprocess.run(["setfacl", "--modify", "u:1234:rw,g:5678:r", path], check=True)
    os.setxattr(path, "user.origin", b"a person")
    before = described(path)
    assert "user:1234:rw-" in before
    files.write(str(path), b"new", None, files.take_snapshot(str(path)))
    assert (path.read_text(), described(path)) == ("new", before)
    snapshot = files.take_snapshot(str(path))
    files.write(str(path), b"newer", mode, snapshot)
    files.restore(snapshot)
    assert (path.read_text(), described(path)) == ("new", before)


def test_a_replaced_file_inherits_nothing_that_it_did_not_have(tmp_path: Path) -> None:
    path = tmp_path / "grub"
    path.write_text("old")
    before = described(path)
    subprocess.run(["setfacl", "--default", "--modify", "u:1234:rw", tmp_path], check=True)
    files.write(str(path), b"new", None, files.take_snapshot(str(path)))
    assert described(path) == before


def test_a_file_is_overwritten_in_place(tmp_path: Path) -> None:
    path, link = tmp_path / "block", tmp_path / "link"
    path.write_text("armed")
    link.symlink_to(path)
    inode = path.stat().st_ino
    files.overwrite(str(link), b"stock")
    assert (path.read_text(), path.stat().st_ino, link.is_symlink()) == ("stock", inode, True)


@pytest.mark.parametrize("content", [b"", b"four", b"longer"])
def test_no_file_gets_another_size_in_place(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "block"
    path.write_text("armed")
    with pytest.raises(OSError, match="size"):
        files.overwrite(str(path), content)
    assert path.read_text() == "armed"


def test_a_missing_file_is_not_created_in_place(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.overwrite(str(tmp_path / "block"), b"armed")
    assert list(tmp_path.iterdir()) == []
