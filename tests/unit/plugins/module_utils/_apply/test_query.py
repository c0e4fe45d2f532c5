# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools whose output a program reads."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply.commands import ToolFailed, query

SHELL = ("/bin/sh", "-c")


def test_the_output_alone() -> None:
    assert query((*SHELL, "echo out; echo err >&2")) == "out\n"


def test_input() -> None:
    assert query(("/bin/cat",), given="ä" * 100_000) == "ä" * 100_000
    assert query(("/bin/cat",)) == ""


def test_failures() -> None:
    with pytest.raises(ToolFailed, match=r"exit status 3\nerr$"):
        query((*SHELL, "echo out; echo err >&2; exit 3"))
    with pytest.raises(ToolFailed, match=r"exit status 3\nout$"):
        query((*SHELL, "echo out; exit 3"))
    with pytest.raises(ToolFailed, match="/none: No such file"):
        query(("/none",))
    with pytest.raises(ToolFailed, match="did not end within 0 s"):
        query((*SHELL, "sleep 9"), limit=0.2)
