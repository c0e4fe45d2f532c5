# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook of libvirt: its file, and its script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._plan.file_steps import ExistingFile
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.hook import (
    HOOK_FILE,
    hook_file,
    plan_hook,
    plan_hook_removal,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.local_files import COMMAND_FILE

OURS = "<x xmlns:vfio-workstation='urn:vfio-workstation:guest'/>"


def call(folder: Path, operation: str, domain: str = OURS, *, status: int = 1) -> tuple[int, str]:
    """Run the script with a command that ends with a status; return its status and what it told the command."""
    command, script, log = folder / "command", folder / "hook", folder / "log"
    command.write_text(f'#!/bin/sh\necho "$*" >{log}\ncat >>{log}\nexit {status}\n')
    command.chmod(0o755)
    script.write_text(hook_file().content.replace(COMMAND_FILE, str(command)))
    log.write_text("")
    line = ["sh", str(script), "guest", *operation.split(), "-"]
    done = subprocess.run(line, input=domain, text=True, check=False, capture_output=True)
    assert (done.stdout, done.stderr) == ("", "")
    return done.returncode, log.read_text()


def test_the_command_is_started_by_a_program_that_apparmor_leaves_unconfined() -> None:
    """The profile of libvirtd has `/usr/bin/* PUx`, and nothing for /usr/local."""
    assert f"| /usr/bin/env {COMMAND_FILE} guest-hook" in hook_file().content


def test_a_refusal_stops_the_start(tmp_path: Path) -> None:
    assert call(tmp_path, "prepare begin") == (1, f"guest-hook --operation prepare\n{OURS}\n")
    assert call(tmp_path, "prepare begin", status=0)[0] == 0


@pytest.mark.parametrize("status", [2, 3, 127])
def test_a_failure_of_the_command_stops_no_guest(status: int, tmp_path: Path) -> None:
    assert call(tmp_path, "prepare begin", status=status)[0] == 0


@pytest.mark.parametrize("operation", ["started begin", "reconnect begin", "release end"])
def test_no_running_guest_is_killed(operation: str, tmp_path: Path) -> None:
    status, told = call(tmp_path, operation)
    assert (status, told != "") == (0, True)


@pytest.mark.parametrize("operation", ["start begin", "stopped end", "migrate begin", "prepare end"])
def test_other_operations(operation: str, tmp_path: Path) -> None:
    assert call(tmp_path, operation) == (0, "")


def test_guests_of_others(tmp_path: Path) -> None:
    assert call(tmp_path, "prepare begin", "<domain/>") == (0, "")


def test_the_file() -> None:
    plan = plan_hook(None)
    assert [type(step).__name__ for step in plan.steps] == ["WriteFile"]
    assert "restart it once" in plan.notes[0]
    present = ExistingFile(hook_file().content, 0o755)
    assert plan_hook(present).steps == ()
    assert plan_hook(present._replace(mode=0o644)).steps == plan.steps
    assert [step.path for step in plan_hook_removal(present).steps] == [HOOK_FILE]


def test_a_foreign_file_stays() -> None:
    foreign = ExistingFile("#!/bin/sh\nexit 0\n", 0o755)
    assert [refusal.code for refusal in plan_hook(foreign).refusals] == ["file_is_not_ours"]
    assert plan_hook_removal(foreign).steps == ()
