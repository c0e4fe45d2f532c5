# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of ours are written and removed."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import File
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import CONFIGURED, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.file_steps import Found, file_steps, foreign_files
from ansible_collections.vfio.workstation.plugins.module_utils._plan.own_files import head

TEXT = head("one of ours.") + "text\n"
OTHER = head("one of ours.") + "other\n"
ONE = File("/etc/one", TEXT, 0o644)
OWNED = ("/etc/one", "/etc/two")


@pytest.mark.parametrize("there", [{}, {"/etc/one": Found(OTHER, 0o644)}, {"/etc/one": Found(TEXT, 0o600)}])
def test_what_is_not_as_it_shall_be_is_written(there: dict[str, Found]) -> None:
    (step,) = file_steps("access", OWNED, [ONE], there)
    assert isinstance(step, WriteFile)
    assert (step.path, step.content, step.mode, step.effect) == ("/etc/one", TEXT, 0o644, CONFIGURED)


def test_what_is_right_is_left_alone() -> None:
    assert list(file_steps("access", OWNED, [ONE], {"/etc/one": Found(TEXT, 0o644)})) == []
    assert list(file_steps("access", OWNED, [], {})) == []


def test_what_is_not_wanted_goes_and_nothing_else() -> None:
    there = {"/etc/two": Found(OTHER, 0o644), "/etc/one": Found(TEXT, 0o644), "/etc/three": Found(OTHER, 0o644)}
    (step,) = file_steps("access", OWNED, [ONE], there)
    assert isinstance(step, RemoveFile)
    assert step.path == "/etc/two"


def test_what_somebody_else_put_there_is_neither_replaced_nor_removed() -> None:
    theirs = {"/etc/one": Found("# mine\nall of it\n", 0o644), "/etc/two": Found("# mine\n", 0o644)}
    (refusal,) = foreign_files([ONE], theirs)
    assert refusal.code == "file_is_not_ours"
    assert "/etc/one" in refusal.seen
    assert "# mine" in refusal.seen
    assert list(file_steps("access", OWNED, [], theirs)) == []


@pytest.mark.parametrize("text", [TEXT, OTHER, f"#!/bin/sh\n{TEXT}"])
def test_what_is_ours_is_known_by_its_head(text: str) -> None:
    assert list(foreign_files([ONE], {"/etc/one": Found(text, 0o644)})) == []
