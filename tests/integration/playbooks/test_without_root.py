# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode on a host where become needs a password that nobody gave. The program is the real sudo."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Fleet

CHECKED = "vfio.workstation.provision", "--check"
UNREADABLE = [{"path": "/boot/grub/grub.cfg", "error": "Permission denied", "values": ["boot.kernels"]}]
ACTIVE = {"files": True, "running": True}
#: `nobody` may not become root, whoever runs the tests.
BECOME: dict[str, Any] = {"ansible_become": True, "ansible_become_exe": "sudo -u nobody sudo"}
#: Ansible leaves out become where it is root already.
AS_ROOT = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "true"}


def test_check_mode_does_without_and_says_that_it_is_incomplete(fleet: Fleet) -> None:
    fleet.add("ws1", unreadable=UNREADABLE)
    fleet.add("ws2", unreadable=UNREADABLE, **ACTIVE)
    run = fleet.run(*CHECKED, **BECOME, environment=AS_ROOT)
    assert run.status == 0, run.output
    assert [call["check"] for name in ("ws1", "ws2") for call in fleet.calls(name)] == [True, True]
    assert "ws1: changes pending (1 step)" in run.output
    assert "ws2: inspected without root; whether something would change is unknown" in run.output
    assert run.output.count("incomplete: could not read /boot/grub/grub.cfg. Add -K") == 2
    assert "2 hosts: 1 pending, 1 partial" in run.output
    assert "skipping: [" not in run.output


def test_a_host_without_a_requested_configuration_is_reported(fleet: Fleet) -> None:
    fleet.add("ws1", {}, unreadable=UNREADABLE)
    run = fleet.run(*CHECKED, **BECOME, environment=AS_ROOT)
    assert run.status == 0, run.output
    assert "virtualization" in run.printed("vfio.workstation.report : Print the summary")


@pytest.mark.parametrize("words", [("vfio.workstation.provision",), ("vfio.workstation.verify",)])
def test_a_real_run_needs_the_password(fleet: Fleet, words: tuple[str, ...]) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(*words, **BECOME, environment=AS_ROOT)
    assert run.status != 0
    assert "a password is required" in run.output
    assert fleet.calls("ws1") == []


def test_a_wrong_password_is_an_error_in_check_mode_too(fleet: Fleet) -> None:
    fleet.add("ws1", **ACTIVE)
    run = fleet.run(*CHECKED, **{**BECOME, "ansible_become_password": "wrong"}, environment=AS_ROOT)
    assert run.status != 0
    assert fleet.calls("ws1") == []


def test_verify_accepts_no_incomplete_result(fleet: Fleet) -> None:
    fleet.add("ws1", unreadable=UNREADABLE, **ACTIVE)
    run = fleet.run("vfio.workstation.verify", "--check", **BECOME, environment=AS_ROOT)
    assert run.status != 0
    assert "inspected without root, so that it is unknown whether everything is active" in run.output


def test_without_the_program(fleet: Fleet) -> None:
    fleet.add("ws1", unreadable=UNREADABLE)
    run = fleet.run(*CHECKED, ansible_become=True, ansible_become_exe="no-sudo-here", environment=AS_ROOT)
    assert run.status == 0, run.output
    assert len(fleet.calls("ws1")) == 1
