# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer file of Windows Setup (autounattend.xml).

Source: Microsoft, Unattended Windows Setup Reference, for each component, the passes in which it is valid, and its
settings. Setup ignores a file that it can't parse without any message, and stops at a value that it does not know: the
file has no comments, and only settings that the reference has.

Setup checks the hardware as always: no setting switches a check off.
"""

from __future__ import annotations

import base64
from typing import Iterator

from ..._machine.guest import WINDOWS10
from ..._machine.guest_install import Secret, WindowsInstall
from ..._machine.xml_element import Element, element, render
from .windows_editions import generic_key
from .windows_scripts import COPY_SCRIPTS, RUN_AT_FIRST_LOGON

FILE_NAME = "autounattend.xml"

_UNATTEND = "urn:schemas-microsoft-com:unattend"
_WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
_ADD = (("wcm:action", "add"),)

#: Letters that a medium can have. A: and B: are floppy disks, and X: is the file system of Setup itself.
_LETTERS = "CDEFGHIJKLMNOPQRSTUVWYZ"
#: Directories of the medium virtio-win, and why Setup needs the driver.
_DRIVERS = (
    "viostor",  # the disk
    "NetKVM",  # the network interface
    "vioserial",  # the channel of the guest agent: without it, the agent runs and nobody hears it
)
_ARCHITECTURE = "amd64"

#: The only disk: with several of them, the order in which Windows numbers them is not known.
_DISK = "0"
#: MiB. Microsoft's recommendation for GPT (UEFI/GPT-based hard drive partitions).
_EFI_SIZE, _RESERVED_SIZE = "300", "16"
_WINDOWS_PARTITION = "3"
_SHOW_ERRORS = "OnError"
#: Turns the "express settings" of Microsoft off, which send data.
_NO_EXPRESS_SETTINGS = "3"


def answer_file(os: str, request: WindowsInstall) -> str:
    """Return the text of the answer file."""
    passes = (
        ("windowsPE", (_windows_pe_language(request), _drivers(os), _setup(request))),
        ("specialize", (_identity(request), _copy_scripts())),
        ("oobeSystem", (_language(request), _first_start(request))),
    )
    settings = (Element("settings", (("pass", name),), components) for name, components in passes)
    root = Element("unattend", (("xmlns", _UNATTEND), ("xmlns:wcm", _WCM)), tuple(settings))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{render(root)}'


def encoded_password(password: Secret, setting: str) -> str:
    """Return a password as a setting with `PlainText` false holds it: anybody can decode it.

    Args:
        password: The password.
        setting: The name of the setting, which is part of the encoded text.
    """
    return base64.b64encode(f"{password.reveal()}{setting}".encode("utf-16-le")).decode("ascii")


def _component(name: str, *settings: Element) -> Element:
    identity = {
        "name": name,
        "processorArchitecture": _ARCHITECTURE,
        "publicKeyToken": "31bf3856ad364e35",
        "language": "neutral",
        "versionScope": "nonSxS",
    }
    return Element("component", tuple(identity.items()), settings)


def _added(tag: str, *settings: Element, key: int | None = None) -> Element:
    """Return an item of a list."""
    return Element(tag, (*_ADD, *((("wcm:keyValue", str(key)),) if key is not None else ())), settings)


def _locale_settings(request: WindowsInstall) -> Iterator[Element]:
    yield element("InputLocale", request.keyboard)
    yield element("SystemLocale", request.locale)
    yield element("UILanguage", request.language)
    yield element("UserLocale", request.locale)


def _windows_pe_language(request: WindowsInstall) -> Element:
    setup = element("SetupUILanguage", element("UILanguage", request.language))
    return _component("Microsoft-Windows-International-Core-WinPE", setup, *_locale_settings(request))


def _language(request: WindowsInstall) -> Element:
    return _component("Microsoft-Windows-International-Core", *_locale_settings(request))


def _drivers(os: str) -> Element:
    """Return where Setup finds drivers: at every letter that the medium may have. Setup skips paths without one."""
    version = "w10" if os == WINDOWS10 else "w11"
    directories = (f"{letter}:\\{driver}\\{version}\\{_ARCHITECTURE}" for driver in _DRIVERS for letter in _LETTERS)
    paths = (
        _added("PathAndCredentials", element("Path", path), key=number) for number, path in enumerate(directories, 1)
    )
    return _component("Microsoft-Windows-PnpCustomizationsWinPE", element("DriverPaths", *paths))


def _setup(request: WindowsInstall) -> Element:
    image = _added("MetaData", element("Key", "/IMAGE/NAME"), element("Value", request.image))
    target = element("InstallTo", element("DiskID", _DISK), element("PartitionID", _WINDOWS_PARTITION))
    os_image = element("OSImage", element("InstallFrom", image), target, element("WillShowUI", _SHOW_ERRORS))
    return _component(
        "Microsoft-Windows-Setup",
        element("DiskConfiguration", _partitions(), element("WillShowUI", _SHOW_ERRORS)),
        element("ImageInstall", os_image),
        element(
            "UserData",
            element("AcceptEula", "true"),
            element("FullName", request.user),
            element("ProductKey", *_product_key(request), element("WillShowUI", _SHOW_ERRORS)),
        ),
    )


def _product_key(request: WindowsInstall) -> Iterator[Element]:
    key = request.product_key.reveal() if request.product_key else generic_key(request.image)
    if key is not None:
        yield element("Key", key)


def _partitions() -> Element:
    """Return the layout of the disk: the EFI system partition, Microsoft's reserved partition, and Windows."""
    created = (
        ("1", element("Type", "EFI"), element("Size", _EFI_SIZE)),
        ("2", element("Type", "MSR"), element("Size", _RESERVED_SIZE)),
        (_WINDOWS_PARTITION, element("Type", "Primary"), element("Extend", "true")),
    )
    formatted = (
        ("1", element("Format", "FAT32"), element("Label", "System")),
        ("2",),
        (_WINDOWS_PARTITION, element("Format", "NTFS"), element("Label", "Windows"), element("Letter", "C")),
    )
    return _added(
        "Disk",
        element("DiskID", _DISK),
        element("WillWipeDisk", "true"),
        element(
            "CreatePartitions",
            *(_added("CreatePartition", element("Order", number), *rest) for number, *rest in created),
        ),
        element(
            "ModifyPartitions",
            *(
                _added("ModifyPartition", element("Order", number), element("PartitionID", number), *rest)
                for number, *rest in formatted
            ),
        ),
    )


def _identity(request: WindowsInstall) -> Element:
    return _component(
        "Microsoft-Windows-Shell-Setup",
        element("ComputerName", request.computer_name),
        element("TimeZone", request.time_zone),
    )


def _copy_scripts() -> Element:
    command = _added(
        "RunSynchronousCommand",
        element("Order", "1"),
        element("Description", "Copy the scripts from the medium with the answers"),
        element("Path", COPY_SCRIPTS),
    )
    return _component("Microsoft-Windows-Deployment", element("RunSynchronous", command))


def _first_start(request: WindowsInstall) -> Element:
    account = _added(
        "LocalAccount",
        element("Name", request.user),
        element("DisplayName", request.user),
        element("Group", "Administrators"),
        element(
            "Password",
            element("Value", encoded_password(request.password, "Password")),
            element("PlainText", "false"),
        ),
    )
    command = _added(
        "SynchronousCommand",
        element("Order", "1"),
        element("Description", "Finish the installation"),
        element("CommandLine", RUN_AT_FIRST_LOGON),
    )
    pages = {
        "HideEULAPage": "true",
        "HideLocalAccountScreen": "true",
        "HideOEMRegistrationScreen": "true",
        "HideOnlineAccountScreens": "true",
        "HideWirelessSetupInOOBE": "true",
        "ProtectYourPC": _NO_EXPRESS_SETTINGS,
    }
    return _component(
        "Microsoft-Windows-Shell-Setup",
        element("UserAccounts", element("LocalAccounts", account)),
        element("OOBE", *(element(name, value) for name, value in pages.items())),
        element("FirstLogonCommands", command),
    )
