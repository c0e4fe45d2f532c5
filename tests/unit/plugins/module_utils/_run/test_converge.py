# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages and states with which a run ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import files
from ansible_collections.vfio.workstation.plugins.module_utils._engine import converge as converging
from ansible_collections.vfio.workstation.plugins.module_utils._engine.outcome import Outcome
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import (
    CONFIGURED,
    STAGED,
    RunTool,
    States,
    WriteFile,
)
from ansible_collections.vfio.workstation.plugins.module_utils._probe.tree import Tree
from ansible_collections.vfio.workstation.plugins.module_utils._run.converge import run_pass


class Exit(Exception):
    """The end of a module."""


class Module:
    """The part of a module that run_pass() uses."""

    check_mode = False

    def fail_json(self, msg: str, **values: Any) -> None:
        raise Exit(msg, values)

    def exit_json(self, **values: Any) -> None:
        raise Exit("", values)

    def warn(self, _warning: str) -> None:
        return


@pytest.mark.parametrize("is_restorable", [True, False])
def test_the_message_after_a_failure_matches_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_restorable: bool
) -> None:
    changed = tmp_path / "grub"
    changed.write_text("before\n")
    write = WriteFile(str(changed), "after\n", CONFIGURED, "change it")
    fail = RunTool(("sh", "-c", "echo out of luck; exit 3"), STAGED, "make the menu")
    states = States(configured=False, staged=False, active=False)
    outcome = Outcome(Tree(str(tmp_path)), (), (write, fail), states, {}, (), ())

    def refuse(_snapshot: files.Snapshot) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(converging, "locked", contextlib.nullcontext)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if not is_restorable:
        monkeypatch.setattr(files, "restore", refuse)
    with pytest.raises(Exit, match="out of luck") as caught:
        run_pass(Module(), lambda: outcome, {})
    message = caught.value.args[0]
    assert ("Nothing is changed: every file is as it was." in message) == is_restorable
    assert (changed.read_text() == "before\n") == is_restorable
    if not is_restorable:
        assert f"{changed}: Permission denied" in message
        assert message.endswith(
            "All other files are as they were. Restore those by hand, or remove the cause and run this again."
        )


@pytest.mark.parametrize(
    ("active", "helps", "required"),
    [(False, True, True), (False, False, False), (True, True, False), (None, True, False)],
)
def test_a_reboot_is_required_where_it_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, active: bool | None, helps: bool, required: bool
) -> None:
    states = States(configured=True, staged=True, active=active)
    outcome = Outcome(Tree(str(tmp_path)), (), (), states, {}, (), (), reboot_helps=helps)
    monkeypatch.setattr(converging, "locked", contextlib.nullcontext)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Exit) as caught:
        run_pass(Module(), lambda: outcome, {})
    assert caught.value.args[1]["reboot_required"] is required
