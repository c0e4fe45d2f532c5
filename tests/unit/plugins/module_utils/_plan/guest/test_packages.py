# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages that a host lacks for a guest."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Os
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import (
    BIOS,
    PASST,
    SPICE,
    WINDOWS11,
    DiskRequest,
    GuestRequest,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.packages import (
    DISPLAY,
    PACKAGES,
    missing_packages,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusals import GUEST_CODES

DEBIAN = Os("debian", "13", ())
LIBVIRT = ("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86")


@pytest.mark.parametrize(
    ("request_of", "codes", "packages"),
    [
        ({}, ["libvirt_absent"], (*LIBVIRT, "ovmf")),
        ({"firmware": BIOS}, ["libvirt_absent"], LIBVIRT),
        ({"os": WINDOWS11}, ["libvirt_absent"], (*LIBVIRT, "ovmf", "swtpm", "swtpm-tools")),
        (
            {"disk": DiskRequest("/d", size_bytes=1), "network": PASST, "display": SPICE},
            ["libvirt_absent"],
            (*LIBVIRT, "ovmf", "qemu-utils", "passt", "qemu-system-modules-spice"),
        ),
        ({}, ["firmware_absent", "tpm_absent", "firmware_absent"], ("ovmf", "swtpm", "swtpm-tools")),
        ({}, ["firmware_absent", "device_not_provisioned"], ()),
        ({}, [], ()),
    ],
)
def test_packages(request_of: dict[str, Any], codes: list[str], packages: tuple[str, ...]) -> None:
    assert missing_packages(DEBIAN, GuestRequest("g")._replace(**request_of), codes) == packages


def test_distributions() -> None:
    request, codes = GuestRequest("g"), ["firmware_absent"]
    assert missing_packages(Os("ubuntu", "24.04", ("debian",)), request, codes) == ("ovmf",)
    assert missing_packages(Os("rocky", "9", ("rhel", "centos", "fedora")), request, codes) == ("edk2-ovmf",)
    assert missing_packages(Os("opensuse-tumbleweed", None, ("opensuse", "suse")), request, codes) != ()
    for unknown in (Os(None, None, ()), Os("nixos", "25", ())):
        assert missing_packages(unknown, request, codes) == ()


def test_every_purpose_is_a_refusal() -> None:
    for table in PACKAGES.values():
        assert set(table) <= set(GUEST_CODES)


def test_debian_has_its_packages() -> None:
    """As the package lists of this computer say, if it runs Debian 12 or later."""
    names = {package for purpose, packages in PACKAGES["debian"].items() if purpose != DISPLAY for package in packages}
    done = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *sorted(names)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
