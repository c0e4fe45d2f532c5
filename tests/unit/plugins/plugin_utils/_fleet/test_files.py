# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a directory of reports are in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.plugin_utils._fleet.files import ReportFiles


@given(st.text())
def test_no_name_leads_out_of_the_directory(name: str) -> None:
    files = ReportFiles("/reports")
    for path in (files.data(name), files.parity(name)):
        assert os.path.dirname(os.path.normpath(path)) == "/reports"
    assert os.path.dirname(os.path.normpath(files.page(name))) == "/reports/machines"
    assert files.fleet_page() not in (files.data(name), files.page(name))


def test_a_relative_directory_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/admin")
    assert ReportFiles("a/../b").directory == f"{tmp_path}/b"
    assert ReportFiles("~/b").directory == "/home/admin/b"


def test_files_are_written_once_and_not_in_check_mode(tmp_path: Path) -> None:
    files = ReportFiles(str(tmp_path / "new"))
    assert list(files.documents()) == []
    assert files.write(files.data("ws1"), "{}", check_mode=True)
    assert list(tmp_path.iterdir()) == []
    assert files.write(files.data("ws1"), "{}", check_mode=False)
    assert not files.write(files.data("ws1"), "{}", check_mode=False)
    assert files.write(files.page("ws1"), "page", check_mode=False)
    assert list(files.documents()) == [("ws1.json", "{}")]
