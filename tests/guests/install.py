# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to install a system, for tests."""

from __future__ import annotations

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import (
    SSH,
    LinuxInstall,
    Secret,
    WindowsInstall,
)

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2mYy0T8c3gkq1yC2rGvE1mJ7vC8rJ1mXkq9H2d5s0A dev@desk"
PASSWORD = 'correct <horse> & "battery"'
PASSWORD_HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

WINDOWS = WindowsInstall(
    iso="/srv/iso/windows.iso",
    drivers="/srv/iso/virtio-win.iso",
    disk=None,
    user="dev",
    password=Secret(PASSWORD),
    image="Windows 11 Pro",
    product_key=None,
    computer_name="windows",
    language="en-US",
    locale="de-DE",
    keyboard="0407:00000407",
    time_zone="W. Europe Standard Time",
    remote_access=SSH,
    ssh_keys=(PUBLIC_KEY,),
)
LINUX = LinuxInstall(
    user="dev",
    password_hash=Secret(PASSWORD_HASH),
    ssh_keys=(PUBLIC_KEY,),
    computer_name="linux",
    locale="de_DE.UTF-8",
    keyboard="de",
    time_zone="Europe/Berlin",
    packages=("vim",),
    network={"version": 2, "ethernets": {"lan": {"match": {"name": "en*"}, "dhcp4": True}}},
)
