# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the unattended installation of a guest; the one specification, like that of the whole request."""

from __future__ import annotations

from typing import Mapping

from ..._machine.guest_install import NO_REMOTE_ACCESS, SSH, WINRM
from ..request_spec import Option

#: The options for both kinds of systems, then those for Windows alone, then those for Linux alone.
COMMON: Mapping[str, Option] = {
    "user": Option(expected="the name of the account"),
    "ssh_keys": Option("list", elements="str", default=(), no_log=False, expected="a public key of OpenSSH"),
    "computer_name": Option(),
    "locale": Option(),
    "keyboard": Option(no_log=False),
    "time_zone": Option(),
}
WINDOWS: Mapping[str, Option] = {
    "iso": Option("path"),
    "drivers": Option("path"),
    "disk": Option(),
    "password": Option(no_log=True),
    "edition": Option(),
    "image": Option(),
    "product_key": Option(no_log=True),
    "language": Option(),
    "remote_access": Option(choices=(SSH, WINRM, NO_REMOTE_ACCESS)),
}
LINUX: Mapping[str, Option] = {
    "password_hash": Option(no_log=True),
    "packages": Option("list", elements="str", default=(), expected="the name of a package"),
    "network": Option("raw"),
}
INSTALL: Mapping[str, Option] = {**COMMON, **WINDOWS, **LINUX}
