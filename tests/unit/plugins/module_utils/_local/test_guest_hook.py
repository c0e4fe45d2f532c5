# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that libvirt's hook runs."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._local import guest_hook as command
from ansible_collections.vfio.workstation.plugins.module_utils._local.commands import (
    OPERATION,
    ROOT,
    CommandFailed,
    Invocation,
)
from ansible_collections.vfio.workstation.tests.guests.hosts import provisioned
from ansible_collections.vfio.workstation.tests.unit.plugins.module_utils._plan.guest.test_start_check import DOMAIN


class Input:
    """Stands for standard input."""

    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode())


@pytest.fixture
def host(tmp_path: Path) -> str:
    provisioned("amd-desktop", tmp_path / "host")
    return str(tmp_path / "host")


def call(monkeypatch: pytest.MonkeyPatch, host: str, operation: str, domain: str = DOMAIN) -> int:
    monkeypatch.setattr(sys, "stdin", Input(domain))
    return command.guest_hook(Invocation(frozenset(), {OPERATION.name: operation, ROOT.name: host}))


def test_a_start_is_refused_in_words(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    domain = DOMAIN.replace(">4194304<", ">94194304<").replace("bus='0x01'", "bus='0x7f'")
    assert call(monkeypatch, host, "prepare", domain) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "vfio-workstation: guest can't start:"
    assert lines[1] == "  guest: the host has no PCI function 0000:7f:00.1"
    assert lines[2].startswith("    What to do: Run the playbook again")
    assert "guest: 89.83 GiB are needed in pages of 1G" in lines[3]


@pytest.mark.parametrize("operation", ["started", "reconnect", "release"])
def test_a_running_guest_is_never_refused(operation: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, host, operation, DOMAIN.replace(">4194304<", ">94194304<")) == 0


def test_wrong_input(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandFailed, match=r"--operation: found 'prepar'. Did you mean prepare\?"):
        call(monkeypatch, host, "prepar")
    with pytest.raises(CommandFailed, match="standard input: expected the definition of a guest"):
        call(monkeypatch, host, "prepare", "<domain>")
