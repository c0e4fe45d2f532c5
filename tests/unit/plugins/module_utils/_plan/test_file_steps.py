# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of this collection are written and removed, and that foreign files are neither."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import File
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import CONFIGURED, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.file_steps import (
    ExistingFile,
    file_steps,
    foreign_files,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.own_files import head

TEXT = head("a managed file.") + "text\n"
OTHER = head("a managed file.") + "other\n"
ONE = File("/etc/one", TEXT, 0o644)
OWNED = ("/etc/one", "/etc/two")


@pytest.mark.parametrize(
    "existing", [{}, {"/etc/one": ExistingFile(OTHER, 0o644)}, {"/etc/one": ExistingFile(TEXT, 0o600)}]
)
def test_a_file_that_differs_is_written(existing: dict[str, ExistingFile]) -> None:
    (step,) = file_steps("access", OWNED, [ONE], existing)
    assert isinstance(step, WriteFile)
    assert (step.path, step.content, step.mode, step.effect) == ("/etc/one", TEXT, 0o644, CONFIGURED)


def test_a_file_that_does_not_differ_is_left_alone() -> None:
    assert list(file_steps("access", OWNED, [ONE], {"/etc/one": ExistingFile(TEXT, 0o644)})) == []
    assert list(file_steps("access", OWNED, [], {})) == []


def test_a_managed_file_that_is_no_longer_requested_is_removed() -> None:
    existing = {
        "/etc/two": ExistingFile(OTHER, 0o644),
        "/etc/one": ExistingFile(TEXT, 0o644),
        "/etc/three": ExistingFile(OTHER, 0o644),
    }
    (step,) = file_steps("access", OWNED, [ONE], existing)
    assert isinstance(step, RemoveFile)
    assert step.path == "/etc/two"


def test_a_foreign_file_is_neither_replaced_nor_removed() -> None:
    foreign = {"/etc/one": ExistingFile("# mine\nall of it\n", 0o644), "/etc/two": ExistingFile("# mine\n", 0o644)}
    (refusal,) = foreign_files([ONE], foreign)
    assert refusal.code == "file_is_not_ours"
    assert "/etc/one" in refusal.seen
    assert "# mine" in refusal.seen
    assert list(file_steps("access", OWNED, [], foreign)) == []


@pytest.mark.parametrize("text", [TEXT, OTHER, f"#!/bin/sh\n{TEXT}"])
def test_a_managed_file_is_recognized_by_its_first_line(text: str) -> None:
    assert list(foreign_files([ONE], {"/etc/one": ExistingFile(text, 0o644)})) == []
