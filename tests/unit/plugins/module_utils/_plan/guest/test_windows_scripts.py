# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that finish the installation of Windows: their syntax, their settings, and what they refer to."""

from __future__ import annotations

import json
import re

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import (
    NO_REMOTE_ACCESS,
    SSH,
    WINRM,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.windows_scripts import (
    COPY_SCRIPTS,
    DIRECTORY,
    MARKER,
    RUN_AT_FIRST_LOGON,
    script_files,
)
from ansible_collections.vfio.workstation.tests.guests.install import PASSWORD, PUBLIC_KEY, WINDOWS

PARSER = Parser(Language(tree_sitter_powershell.language()))


def texts() -> dict[str, str]:
    return dict(script_files(WINDOWS))


def script() -> str:
    return texts()[f"{DIRECTORY}/setup.ps1"]


def mistakes(text: str) -> list[str]:
    """Return the parts of a script that are not PowerShell."""

    def walk(node: Node) -> list[str]:
        own = [f"line {node.start_point.row + 1}"] if node.is_error or node.is_missing else []
        return [*own, *(found for child in node.children for found in walk(child))]

    return walk(PARSER.parse(text.encode("utf-8")).root_node)


def test_the_script_is_powershell() -> None:
    assert mistakes(script()) == []


@pytest.mark.parametrize("broken", ["function {", "if ($x { 1 }", "'unclosed", "$x = (1"])
def test_a_mistake_is_found(broken: str) -> None:
    assert mistakes(f"{script()}\n{broken}\n")


def test_the_files_are_ascii_with_the_line_ends_of_windows() -> None:
    for text in texts().values():
        assert text.isascii()
        assert text.endswith("\r\n")
        assert "\n" not in text.replace("\r\n", "")


def test_commands_and_scripts_refer_to_files_that_exist() -> None:
    names = {path.removeprefix(f"{DIRECTORY}/") for path in texts()}
    assert names == {"SetupComplete.cmd", "setup.ps1", "settings.json"}
    referred = re.findall(
        r"[\w-]+\.(?:ps1|cmd|json)\b", "\n".join((COPY_SCRIPTS, RUN_AT_FIRST_LOGON, *texts().values()))
    )
    assert set(referred) - {MARKER.rpartition("\\")[2]} == names


def test_the_script_reports_to_the_file_that_the_host_reads() -> None:
    assert MARKER == r"C:\ProgramData\vfio-workstation\installed.json"
    assert "Join-Path $env:ProgramData 'vfio-workstation'" in script()
    assert "Join-Path $directory 'installed.json'" in script()


@pytest.mark.parametrize("access", [SSH, WINRM, NO_REMOTE_ACCESS])
def test_settings_are_data_that_the_script_reads(access: str) -> None:
    files = dict(script_files(WINDOWS._replace(remote_access=access)))
    assert json.loads(files[f"{DIRECTORY}/settings.json"]) == {"remote_access": access, "ssh_keys": [PUBLIC_KEY]}
    assert files[f"{DIRECTORY}/setup.ps1"] == script()
    used = set(re.findall(r"\$settings\.(\w+)", script()))
    assert used == {"remote_access", "ssh_keys"}


def test_no_script_has_the_password() -> None:
    assert not any(PASSWORD in text for text in texts().values())
