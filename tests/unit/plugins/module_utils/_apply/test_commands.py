# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running tools, and the lock."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._apply import Busy, ToolFailed, locked, run
from ansible_collections.vfio.workstation.plugins.module_utils._apply.commands import tool_line, tool_name


def test_standard_output_and_standard_error_are_returned() -> None:
    assert run(["sh", "-c", "echo one; echo two >&2"]) == "one\ntwo\n"


def test_the_locale_is_c_and_the_users_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRUB_DEVICE", "mine")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", 'echo "$LC_ALL ${GRUB_DEVICE:-}"']) == "C \n"


def test_a_failure_has_the_end_of_the_tools_output() -> None:
    with pytest.raises(ToolFailed, match=r"exit status 7\n[^\0]*the end$"):
        run(["sh", "-c", "seq 100000; echo the end; exit 7"])


WITH_LANGUAGE = ("/usr/bin/env", "-u", "LC_ALL", "LC_MESSAGES=en_GB.UTF-8", "LANG=de_DE.UTF-8")
MKCONFIG = ("/usr/sbin/grub-mkconfig", "-o", "a=b")


@pytest.mark.parametrize(
    ("argv", "name", "line"),
    [
        (MKCONFIG, MKCONFIG[0], "/usr/sbin/grub-mkconfig -o a=b"),
        (
            (*WITH_LANGUAGE, *MKCONFIG),
            MKCONFIG[0],
            "/usr/sbin/grub-mkconfig -o a=b (with LC_MESSAGES=en_GB.UTF-8 LANG=de_DE.UTF-8)",
        ),
        (("/usr/bin/env", "-u", "LANG", *MKCONFIG), MKCONFIG[0], "/usr/sbin/grub-mkconfig -o a=b"),
        (WITH_LANGUAGE, "/usr/bin/env", " ".join(WITH_LANGUAGE)),
        (("/usr/bin/env",), "/usr/bin/env", "/usr/bin/env"),
        ((), "", ""),
    ],
)
def test_a_tool_that_env_starts_is_named_itself(argv: tuple[str, ...], name: str, line: str) -> None:
    assert (tool_name(argv), tool_line(argv)) == (name, line)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("sh", "-c", "echo no; exit 7"), r"^sh -c echo no; exit 7 \(with LANG=de_DE.UTF-8\): exit status 7\nno$"),
        (("/no/such/tool", "-o", "x"), r"^/no/such/tool -o x \(with LANG=de_DE.UTF-8\): exit status 127\n"),
    ],
)
def test_errors_name_the_tool(command: tuple[str, ...], message: str) -> None:
    with pytest.raises(ToolFailed, match=message):
        run(("/usr/bin/env", "-u", "LC_ALL", "LANG=de_DE.UTF-8", *command))


def test_a_tool_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="did not end within 1 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], limit=1)
    child = int((tmp_path / "child").read_text())
    for _attempt in range(100):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the child is still running")


def test_standard_input_is_empty() -> None:
    assert run(["cat"]) == ""


def test_one_run_at_a_time(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    with locked(lock), pytest.raises(Busy, match="another run"), locked(lock, limit=0.1):
        pass
    with locked(lock, limit=0):
        assert os.path.exists(lock)
