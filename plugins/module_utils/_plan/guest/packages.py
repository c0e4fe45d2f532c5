# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages that a host lacks for a guest, by the names of its distribution."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping

from ..._machine import Os
from ..._machine.guest import PASST, SPICE, UEFI, GuestRequest
from .firmware import firmware_of, has_tpm

#: What a package is for. Each is named after the refusal that says that it is missing.
LIBVIRT, FIRMWARE, TPM, DISK_TOOL, ISO_TOOL, NETWORK, DISPLAY = (
    "libvirt_absent",
    "firmware_absent",
    "tpm_absent",
    "disk_tool_absent",
    "iso_tool_absent",
    "passt_unsupported",
    "display_unsupported",
)

#: By ID or ID_LIKE of os-release(5). Debian 11 to 13, Ubuntu 22.04 to 24.04; Fedora and RHEL 9; Arch Linux; openSUSE.
PACKAGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "debian": {
        LIBVIRT: ("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86"),
        FIRMWARE: ("ovmf",),
        TPM: ("swtpm", "swtpm-tools"),
        DISK_TOOL: ("qemu-utils",),
        ISO_TOOL: ("xorriso",),
        NETWORK: ("passt",),
        DISPLAY: ("qemu-system-modules-spice",),
    },
    "fedora": {
        LIBVIRT: ("libvirt-daemon-kvm", "libvirt-client", "qemu-kvm"),
        FIRMWARE: ("edk2-ovmf",),
        TPM: ("swtpm", "swtpm-tools"),
        DISK_TOOL: ("qemu-img",),
        ISO_TOOL: ("xorriso",),
        NETWORK: ("passt",),
    },
    "arch": {
        LIBVIRT: ("libvirt", "qemu-base", "dnsmasq"),
        FIRMWARE: ("edk2-ovmf",),
        TPM: ("swtpm",),
        DISK_TOOL: ("qemu-img",),
        ISO_TOOL: ("libisoburn",),
        NETWORK: ("passt",),
        DISPLAY: ("qemu-ui-spice-core", "qemu-hw-display-qxl"),
    },
    "suse": {
        LIBVIRT: ("libvirt-daemon-qemu", "libvirt-client", "qemu-x86"),
        FIRMWARE: ("qemu-ovmf-x86_64",),
        TPM: ("swtpm",),
        DISK_TOOL: ("qemu-img",),
        ISO_TOOL: ("xorriso",),
        NETWORK: ("passt",),
        DISPLAY: ("qemu-ui-spice-core",),
    },
}


def missing_packages(system: Os, request: GuestRequest, codes: Iterable[str]) -> tuple[str, ...]:
    """Return the packages that would resolve what a guest was refused for.

    Args:
        system: The distribution of the host.
        request: The request.
        codes: The codes of the refusals.

    Returns:
        The names; none where one of the refusals has another cause than a package, or the distribution is unknown.
    """
    table = next((PACKAGES[name] for name in (system.id or "", *system.like) if name in PACKAGES), None)
    purposes = dict.fromkeys(codes)
    if table is None or not purposes or not set(purposes) <= set(table):
        return ()
    if LIBVIRT in purposes:
        # Without libvirt, it is unknown what else is missing. A package that is there already costs nothing.
        purposes.update(dict.fromkeys(_purposes(request)))
    return tuple(dict.fromkeys(package for purpose in purposes for package in table.get(purpose, ())))


def _purposes(request: GuestRequest) -> Iterator[str]:
    """Yield what a guest needs beyond libvirt and QEMU."""
    needs = {
        FIRMWARE: firmware_of(request) == UEFI,
        TPM: has_tpm(request),
        DISK_TOOL: request.disk is not None and request.disk.size_bytes is not None,
        ISO_TOOL: request.install is not None,
        NETWORK: request.network == PASST,
        DISPLAY: request.display == SPICE,
    }
    return (purpose for purpose, is_needed in needs.items() if is_needed)
