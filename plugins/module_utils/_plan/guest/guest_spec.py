# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module `guest`: the one specification of a request for a domain.

The argument spec of the module and the parser are made from these tables. The module's DOCUMENTATION and the argument
spec of the role are copies with descriptions, which tests/unit/roles/test_argument_specs.py compares with the tables.
"""

from __future__ import annotations

from typing import Mapping

from ..._machine.guest import BIOS, KVM, LINUX, NO_DISPLAY, QEMU, SPICE, UEFI, VNC, WINDOWS10, WINDOWS11
from ..request_spec import ABSENT, PRESENT, Option
from .install_spec import INSTALL

SYSTEM_URI = "qemu:///system"
QCOW2, RAW = "qcow2", "raw"

DISK: Mapping[str, Option] = {
    "path": Option("path", expected="the absolute path of an image or a block device"),
    "format": Option(choices=(QCOW2, RAW)),
    "size": Option(),
}

LOOKING_GLASS: Mapping[str, Option] = {
    "width": Option("int", required=True, least=1, expected="the width of the largest picture, in pixels"),
    "height": Option("int", required=True, least=1, expected="its height, in pixels"),
    "hdr": Option("bool", default=False),
    "user": Option(),
}

#: What a request consists of.
REQUEST: Mapping[str, Option] = {
    "name": Option(required=True, expected="a name of letters, digits, and _ . - between them"),
    "os": Option(choices=(LINUX, WINDOWS10, WINDOWS11)),
    "devices": Option("list", elements="str", default=(), expected="the name of a device of the host"),
    "memory": Option(),
    "cpus": Option("raw"),
    "firmware": Option(choices=(UEFI, BIOS)),
    "secure_boot": Option("bool"),
    "tpm": Option("bool"),
    "disk": Option("dict", options=DISK),
    "isos": Option("list", elements="path", default=(), expected="the absolute path of an image"),
    "install": Option("dict", options=INSTALL),
    "network": Option(),
    "bridge": Option(),
    "display": Option(choices=(VNC, SPICE, NO_DISPLAY)),
    "evdev": Option("list", elements="path", default=(), expected="a path below /dev/input"),
    "usb": Option("list", elements="str", default=(), expected="a device such as 046d:c52b, or a port such as 1-4.2"),
    "looking_glass": Option("dict", options=LOOKING_GLASS),
    "virtualization_based_security": Option("bool", default=False),
    "xml": Option(),
    "adopt": Option("bool", default=False),
    "type": Option(choices=(KVM, QEMU), default=KVM),
    "accept": Option("list", elements="str", default=(), comma_separated=True),
}

#: All options of the module.
GUEST: Mapping[str, Option] = {
    **REQUEST,
    "state": Option(choices=(PRESENT, ABSENT), default=PRESENT),
    "uri": Option(default=SYSTEM_URI),
    "look_inside": Option("bool", default=False),
    "install_packages": Option("bool", default=False),
}
