# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that was booted with the whole request is not rebooted again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._engine.since_boot import (
    CHANGED_FILE,
    is_changed,
    note_now,
    note_steps,
)
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    ACTIVE,
    CONFIGURED,
    RECORD,
    STAGED,
    RemoveFile,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._engine.test_running_system import (
    live_tree as live,
)


@pytest.mark.parametrize(("effect", "changes"), [(CONFIGURED, True), (STAGED, True), (ACTIVE, False), (RECORD, False)])
def test_the_marker_precedes_changes_of_the_boot_configuration(tmp_path: Path, effect: str, changes: bool) -> None:
    steps = [RemoveFile("/etc/it", effect, "")]
    noted = note_steps(live(tmp_path), steps)
    assert [(step.path, step.effect) for step in noted if isinstance(step, WriteFile)] == (
        [(CHANGED_FILE, RECORD)] if changes else []
    )
    assert is_changed(live(tmp_path), steps) is changes


def test_the_marker_stays_until_the_next_boot(tmp_path: Path) -> None:
    assert not is_changed(live(tmp_path), ())
    note_now(str(tmp_path))
    note_now(str(tmp_path))
    assert is_changed(live(tmp_path), ())
    assert note_steps(live(tmp_path), [RemoveFile("/etc/it", STAGED, "")]) == ()


def test_a_captured_tree_gets_no_marker(tmp_path: Path) -> None:
    assert note_steps(Tree(str(tmp_path)), [RemoveFile("/etc/it", STAGED, "")]) == ()
