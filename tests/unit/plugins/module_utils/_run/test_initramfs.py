# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of initramfs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._run import initramfs

PARAMETERS: dict[str, Any] = {
    "owner": "devices",
    "files": [{"path": "/etc/a", "content": "", "mode": "0644"}],
    "modules": ["vfio-pci"],
    "state": "present",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"state": "absent", "files": [], "modules": []}, None),
        ({"owner": "Devices"}, "owner: "),
        ({"files": [], "modules": []}, "both lists are empty"),
        ({"files": [{"path": "a", "content": "", "mode": "0644"}]}, "files: a is not an absolute path"),
        ({"files": [{"path": "/a", "content": "", "mode": "u=rw"}]}, "'u=rw' of /a is not of three octal digits"),
        ({"files": [{"path": "/a", "content": "", "mode": "4755"}]}, "'4755' of /a is not of three octal digits"),
        ({"modules": ["vfio-pci.ko"]}, "vfio-pci.ko is not a valid module name"),
    ],
)
def test_parameters(change: dict[str, Any], message: str | None) -> None:
    errors = initramfs.check_parameters({**PARAMETERS, **change})
    assert [message in error for error in errors] == [True] if message else errors == []
