# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firmware of a guest, Secure Boot, the TPM, and the features of its board."""

from __future__ import annotations

from typing import Iterator

from ..._machine.guest import BIOS, UEFI, WINDOWS11, Capabilities, GuestRequest, Setting
from ..._machine.plan import Refusal
from ..._machine.xml_element import Element, element
from ..refusals import refuse
from .existing import Existing

_EFI, _EMULATOR = "efi", "emulator"
_NAMES = {UEFI: "UEFI", BIOS: "BIOS"}


def firmware_of(request: GuestRequest) -> str:
    """Return the firmware: as requested, otherwise UEFI."""
    return request.firmware or UEFI


def has_secure_boot(request: GuestRequest) -> bool:
    """Return whether Secure Boot is on: as requested; otherwise for Windows 11, which requires it."""
    return request.os == WINDOWS11 if request.secure_boot is None else request.secure_boot


def has_tpm(request: GuestRequest) -> bool:
    """Return whether there is a TPM: as requested; otherwise for Windows 11, which requires it."""
    return request.os == WINDOWS11 if request.tpm is None else request.tpm


def firmware_refusals(request: GuestRequest, capabilities: Capabilities, existing: Existing) -> Iterator[Refusal]:
    """Yield why the firmware or the TPM of a domain can't be as requested."""
    name = request.name
    if existing.domain is not None:
        yield from _change_refusals(request, existing.domain, existing.is_adopted)
    elif firmware_of(request) == UEFI and _EFI not in capabilities.firmware:
        yield refuse("firmware_absent", f"{name}: libvirt finds no UEFI firmware for guests on this host")
    elif has_secure_boot(request) and not capabilities.secure_boot:
        yield refuse("firmware_absent", f"{name}: libvirt finds no UEFI firmware with Secure Boot on this host")
    if _sets_tpm(request, existing) and has_tpm(request) and _EMULATOR not in capabilities.tpm_backends:
        yield refuse(
            "tpm_absent", f"{name}: libvirt finds no swtpm with swtpm_setup, which emulate a TPM, on this host"
        )


def _change_refusals(request: GuestRequest, domain: Element, is_adopted: bool) -> Iterator[Refusal]:
    """Yield why the firmware of a domain would change. Of one that was adopted, only what is requested counts."""
    now, requested = _firmware_of_domain(domain), firmware_of(request)
    if now != requested and not (is_adopted and request.firmware is None):
        seen = f"the firmware of the domain is {_NAMES[now]}, and the request is {_NAMES[requested]}"
        yield refuse("firmware_changed", f"{request.name}: {seen}")
    has, wants = secure_boot_of(domain), has_secure_boot(request)
    if has != wants and not (is_adopted and request.secure_boot is None):
        seen = f"Secure Boot is {'on' if has else 'off'} in the domain, and the request is the opposite"
        yield refuse("firmware_changed", f"{request.name}: {seen}")


def _firmware_of_domain(domain: Element) -> str:
    """Return the firmware of a domain: UEFI where libvirt selects it, or where its file is a flash chip."""
    system, loader = domain.first("os"), domain.first("os", "loader")
    is_efi = system is not None and system.get("firmware") == _EFI
    return UEFI if is_efi or (loader is not None and loader.get("type") == "pflash") else BIOS


def _sets_tpm(request: GuestRequest, existing: Existing) -> bool:
    """Return whether the TPM is managed: in a domain that was adopted, only where it is requested."""
    return not existing.is_adopted or request.tpm is not None


def secure_boot_of(domain: Element) -> bool:
    """Return whether a domain has Secure Boot."""
    loader = domain.first("os", "loader")
    if loader is not None and loader.get("secure") is not None:
        return loader.get("secure") == "yes"
    features = domain.all("os", "firmware", "feature")
    return any(feature.get("name") == "secure-boot" and feature.get("enabled") == "yes" for feature in features)


def firmware_settings(request: GuestRequest, machine: str) -> Iterator[Setting]:
    """Yield the firmware of a domain of ours.

    libvirt chooses the file of UEFI by the features, and keeps that choice. Without a choice, QEMU starts its BIOS.

    Args:
        request: The request.
        machine: The machine type with its version.
    """
    is_uefi, secure = firmware_of(request) == UEFI, has_secure_boot(request)
    yield Setting((), element("os"), element("os", firmware=_EFI if is_uefi else None))
    yield Setting(("os",), element("type"), element("type", "hvm", arch="x86_64", machine=machine))
    if not is_uefi:
        return
    for name in ("enrolled-keys", "secure-boot"):
        # Without enrolled keys, Secure Boot is in setup mode: it checks nothing.
        feature = element("feature", enabled="yes" if secure else "no", name=name)
        yield Setting(("os", "firmware"), element("feature", name=name), feature)
    if secure:
        # The variables of Secure Boot are protected by system management mode (docs of OVMF, SMM_REQUIRE).
        yield Setting(("features",), element("smm"), element("smm", state="on"))


def tpm_settings(request: GuestRequest, existing: Existing) -> Iterator[Setting]:
    """Yield the TPM."""
    if not _sets_tpm(request, existing) or not has_tpm(request):
        return
    # persistent_state: the state, which BitLocker's keys depend on, stays when the domain is undefined.
    backend = element("backend", type=_EMULATOR, version="2.0", persistent_state="yes")
    yield Setting(("devices",), element("tpm"), element("tpm", backend, model="tpm-crb"))


def board_settings() -> Iterator[Setting]:
    """Yield features of the board that every guest has."""
    for name in ("acpi", "apic"):
        yield Setting(("features",), element(name), element(name))
    # The interface of VMware: no guest of ours has a driver for it, and its port slows down access to others.
    yield Setting(("features",), element("vmport"), element("vmport", state="off"))
    # A passed-through GPU does not survive the sleep of a guest: nothing saves its state.
    for name in ("suspend-to-mem", "suspend-to-disk"):
        yield Setting(("pm",), element(name), element(name, enabled="no"))
