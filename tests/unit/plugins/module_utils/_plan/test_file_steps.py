# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of ours are written and removed."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.initramfs import File
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import CONFIGURED, RemoveFile, WriteFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.file_steps import Found, file_steps

ONE = File("/etc/one", "text\n", 0o644)
OWNED = ("/etc/one", "/etc/two")


@pytest.mark.parametrize("there", [{}, {"/etc/one": Found("other\n", 0o644)}, {"/etc/one": Found("text\n", 0o600)}])
def test_what_is_not_as_it_shall_be_is_written(there: dict[str, Found]) -> None:
    (step,) = file_steps("access", OWNED, [ONE], there)
    assert isinstance(step, WriteFile)
    assert (step.path, step.content, step.mode, step.effect) == ("/etc/one", "text\n", 0o644, CONFIGURED)


def test_what_is_right_is_left_alone() -> None:
    assert list(file_steps("access", OWNED, [ONE], {"/etc/one": Found("text\n", 0o644)})) == []
    assert list(file_steps("access", OWNED, [], {})) == []


def test_what_is_not_wanted_goes_and_nothing_else() -> None:
    there = {"/etc/two": Found("", 0o644), "/etc/one": Found("text\n", 0o644), "/etc/three": Found("", 0o644)}
    (step,) = file_steps("access", OWNED, [ONE], there)
    assert isinstance(step, RemoveFile)
    assert step.path == "/etc/two"
