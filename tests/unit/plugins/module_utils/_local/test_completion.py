# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What bash completes, as bash does it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local.commands import COMMANDS
from ansible_collections.vfio.workstation.plugins.module_utils._local.completion import completion_text


def completed(line: str, folder: Path) -> list[str]:
    """Return what bash offers for the last word of a line."""
    script = f"""{completion_text()}
COMP_WORDS=(vfio-workstation {line})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_vfio_workstation
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    argv = ["bash", "-u", "-e", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=folder)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("''", [*dict.fromkeys(command.name.split()[0] for command in COMMANDS), "--help", "--version"]),
        ("st", ["status"]),
        ("trial ''", ["run", "await-controller"]),
        ("trial a", ["await-controller"]),
        ("status --", ["--json", "--root", "--help"]),
        ("status --json --r", ["--root"]),
        ("guest-hook --operation st", ["started"]),
        ("status --root m", ["machine"]),
        ("trial run --", ["--help"]),
        ("unknown ''", []),
    ],
)
def test_what_is_offered(line: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    assert completed(line, tmp_path) == offered
