# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether become is unavailable, by what Ansible or the program says."""

from __future__ import annotations

import pytest
from ansible.plugins.loader import become_loader

from ansible_collections.vfio.workstation.plugins.plugin_utils._become import is_unavailable


@pytest.mark.parametrize(
    ("method", "password", "message", "expected"),
    [
        ("sudo", None, "Premature end of stream waiting for become success.\nsudo: a password is required", True),
        ("sudo", None, "Missing sudo password", True),
        ("sudo", None, "/bin/sh: 1: sudo: not found", True),
        ("sudo", None, "bash: line 1: sudo: command not found", True),
        ("sudo", "wrong", "sudo: a password is required", False),
        ("sudo", None, "Incorrect sudo password", False),
        ("sudo", None, "/bin/sh: 1: python3: not found", False),
        ("sudo", None, "Traceback (most recent call last)", False),
        ("sudo", None, "", False),
        ("su", None, "su: not found", True),
    ],
)
def test_messages(method: str, password: str | None, message: str, expected: bool) -> None:
    become = become_loader.get(method)
    become.set_options(direct={"become_pass": password} if password else {})
    assert is_unavailable(become, message) == expected
