# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are generated are replaced as a whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.generated_files import replace_file


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    replace_file(str(path), "one\n")
    replace_file(str(path), "two \N{SNOWMAN} \ud800\n")
    assert path.read_text(encoding="utf-8") == "two \N{SNOWMAN} ?\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept", encoding="ascii")
    link.symlink_to(target)
    replace_file(str(link), "new")
    assert target.read_text(encoding="ascii") == "kept"
    assert not link.is_symlink()


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(str(path), "new")
    assert list(tmp_path.iterdir()) == [path]
