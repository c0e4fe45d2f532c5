# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that can't be replaced as a whole are refused by what protects them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.protection import protection_refusals
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    CONFIGURED,
    DRAFT_END,
    RemoveFile,
    RunTool,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree

LIVE = Tree("/")


def refusals(path: Path) -> list[str]:
    write = WriteFile(str(path), "new\n", CONFIGURED, "write it")
    found = protection_refusals(LIVE, (write, RunTool(("true",), CONFIGURED, "run it")))
    assert protection_refusals(LIVE, (RemoveFile(str(path), CONFIGURED, "remove it"),)) == found
    assert all(refusal.code == "file_protected" for refusal in found)
    return [refusal.seen for refusal in found]


def test_an_ordinary_file_and_one_to_be_made_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "grub"
    assert refusals(file) == []
    file.write_text("old\n")
    assert refusals(file) == []


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grub"
    file.write_text("old\n")
    os.link(file, tmp_path / "other")
    (seen,) = refusals(file)
    assert seen == f"{file} has 1 more name: `find / -xdev -samefile {file}` lists the hard links."


def test_the_second_name_that_a_killed_run_left_is_none(tmp_path: Path) -> None:
    file = tmp_path / "grub.cfg"
    file.write_text("old\n")
    os.link(file, tmp_path / f".before.grub.cfg{DRAFT_END}")
    assert refusals(file) == []


@pytest.mark.parametrize(("letter", "name"), [("i", "immutable"), ("a", "append-only")])
def test_a_protected_file_is_refused(tmp_path: Path, letter: str, name: str) -> None:
    file = tmp_path / "grub"
    file.write_text("old\n")
    subprocess.run(["chattr", f"+{letter}", file], check=True)
    try:
        (seen,) = refusals(file)
        with pytest.raises(PermissionError):
            os.replace(tmp_path / "grub", tmp_path / "elsewhere")
    finally:
        subprocess.run(["chattr", f"-{letter}", file], check=True)
    assert seen == f"{file} is {name} (chattr +{letter}), and {file} has to be replaced."
    assert refusals(file) == []


def test_a_captured_tree_has_none(tmp_path: Path) -> None:
    file = tmp_path / "grub"
    file.write_text("old\n")
    os.link(file, tmp_path / "other")
    assert protection_refusals(Tree(str(tmp_path)), (WriteFile("/grub", "", CONFIGURED, "write it"),)) == ()
