# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a terminal shows of display: text as text, as wide as it is; what programs get: the lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK: list[dict[str, Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Print",
                "vfio.workstation.display": {"lines": "{{ lines }}", "failure": "{{ failure | default('') }}"},
            }
        ],
    }
]
#: One host that is refused, in words that need wrapping.
RESULTS = {"ws1": {"refusals": [{"code": "device_in_use", "seen": "word " * 40, "danger": "a", "remedy": "b"}]}}


def play(tmp_path: Path, lines: Any, *, environment: dict[str, str] | None = None, **variables: Any) -> tuple[int, str]:
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps(PLAYBOOK))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "COLUMNS"))}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        **(environment or {}),
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(playbook), "-e"]
    done = subprocess.run(
        [*command, json.dumps({"lines": lines, **variables})],
        cwd=tmp_path,
        env={**clean, **settings},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_lines_are_printed_as_they_are(tmp_path: Path) -> None:
    status, output = play(tmp_path, ["ws1: everything requested is active", '  "quoted"  and spaced'])
    assert status == 0
    assert '\nws1: everything requested is active\n  "quoted"  and spaced\nok: [localhost]' in output
    assert "msg" not in output


def test_nothing_is_printed_for_nothing(tmp_path: Path) -> None:
    status, output = play(tmp_path, [])
    assert status == 0
    assert "***\nok: [localhost]" in output


def test_a_failure_comes_after_the_lines(tmp_path: Path) -> None:
    status, output = play(tmp_path, ["ws1: refused"], failure="it was refused")
    assert status == 2
    assert output.index("\nws1: refused\n") < output.index("it was refused")


def test_colors_are_those_of_ansible(tmp_path: Path) -> None:
    environment = {"ANSIBLE_NOCOLOR": "0", "ANSIBLE_FORCE_COLOR": "1"}
    _status, output = play(
        tmp_path, ["a: refused; nothing was changed", "b: everything requested is active"], environment=environment
    )
    assert "\x1b[0;31ma: refused; nothing was changed\x1b[0m" in output
    assert "\x1b[0;32mb: everything requested is active\x1b[0m" in output


@pytest.mark.parametrize("callback", ["minimal", "oneline"])
def test_a_callback_for_programs_gets_the_lines_as_a_result(tmp_path: Path, callback: str) -> None:
    lines = ["ws1: everything requested is active", "1 host: 1 active"]
    _status, output = play(tmp_path, lines, environment={"ANSIBLE_STDOUT_CALLBACK": callback})
    text = output[output.index("{") : output.rindex("}") + 1]
    assert json.loads(text)["msg"] == lines
    assert "\nws1: everything" not in output


@pytest.mark.parametrize("columns", [None, 70, 120])
def test_tables_are_as_wide_as_the_terminal(tmp_path: Path, columns: int | None) -> None:
    table = "{{ results | vfio.workstation.refusal_table }}"
    environment = {} if columns is None else {"COLUMNS": str(columns)}
    _status, output = play(tmp_path, table, environment=environment, results=RESULTS)
    lines = output[output.index("\nws1:") : output.index("ok: [localhost]")].strip().splitlines()
    longest = max(map(len, lines))
    assert (columns or 80) - 6 < longest <= (columns or 80)


def test_what_is_no_list_is_said(tmp_path: Path) -> None:
    status, output = play(tmp_path, 5)
    assert status == 2
    assert "lines: found 5, expected a list of lines" in output
