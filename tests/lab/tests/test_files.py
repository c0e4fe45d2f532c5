# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and folders that outlive a kill."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.lab import files


def test_a_lock_lives_as_long_as_the_child_that_inherited_it(tmp_path: pathlib.Path) -> None:
    descriptor = files.try_lock(tmp_path / "lock")
    assert descriptor is not None
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=(descriptor,))
    os.close(descriptor)
    try:
        assert files.try_lock(tmp_path / "lock") is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    again = files.try_lock(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_a_folder_appears_whole(tmp_path: pathlib.Path) -> None:
    with files.appearing(tmp_path / "image") as draft:
        (draft / "disk").write_text("whole", encoding="utf-8")
        assert not (tmp_path / "image").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_a_failed_build_leaves_nothing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.appearing(tmp_path / "image") as draft:
        (draft / "disk").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_build_is_swept_away_by_the_next(tmp_path: pathlib.Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from tests.lab import files\n"
        "with files.appearing(pathlib.Path(sys.argv[1])) as draft:\n"
        "    (draft / 'half').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = pathlib.Path(__file__).parents[3]
    target = tmp_path / "image"
    done = subprocess.run([sys.executable, "-c", script, str(target)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    with files.appearing(target) as draft:
        assert list(draft.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_a_sparse_copy_has_the_range_and_no_more_blocks(tmp_path: pathlib.Path) -> None:
    mib = 1 << 20
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(64 * mib)
        file.seek(3 * mib)
        file.write(b"a" * mib)
        file.seek(40 * mib)
        file.write(b"b" * mib)
    files.copy_sparsely(source, target, start=3 * mib, size=60 * mib)
    assert target.read_bytes() == source.read_bytes()[3 * mib : 63 * mib]
    assert target.stat().st_blocks * 512 < 4 * mib
    files.copy_sparsely(source, target, start=40 * mib, size=2 * mib, at=5 * mib)
    assert target.read_bytes()[4 * mib : 7 * mib] == bytes(mib) + b"b" * mib + bytes(mib)
    assert target.stat().st_size == 60 * mib
