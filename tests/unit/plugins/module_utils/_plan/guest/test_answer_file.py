# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer file of Windows Setup, held against Microsoft's reference and against files that are known to work.

Windows itself is not available to the tests. What they can catch is what Setup does not forgive: text that is not XML,
a wrong namespace, and a component, pass or setting that does not exist.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import WINDOWS10, WINDOWS11
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import Secret
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.answer_file import (
    answer_file,
    encoded_password,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.windows_editions import EDITIONS
from ansible_collections.vfio.workstation.tests.guests.install import PASSWORD, WINDOWS

UNATTEND = "{urn:schemas-microsoft-com:unattend}"
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"

# Component and pass, and the settings that the component has in it. The names are those of Microsoft's Unattended
# Windows Setup Reference (windows-hardware/customize/desktop/unattend). On 2026-11-29, each path was found in at least
# one of these files, which install Windows 10 and 11:
#     rgl/windows-vagrant, windows-11-24h2-uefi/autounattend.xml and its siblings
#     StefanScherer/packer-windows, answer_files/10/Autounattend.xml and its siblings
#     drpars/vfioctl, guest/templates/autounattend.xml (Windows 11 25H2 on libvirt, with the drivers of virtio-win)
LOCALE = ("InputLocale", "SystemLocale", "UILanguage", "UserLocale")
REFERENCE = {
    ("Microsoft-Windows-International-Core-WinPE", "windowsPE"): (*LOCALE, "SetupUILanguage/UILanguage"),
    ("Microsoft-Windows-PnpCustomizationsWinPE", "windowsPE"): ("DriverPaths/PathAndCredentials/Path",),
    ("Microsoft-Windows-Setup", "windowsPE"): (
        "DiskConfiguration/WillShowUI",
        *(f"DiskConfiguration/Disk/{name}" for name in ("DiskID", "WillWipeDisk")),
        *(
            f"DiskConfiguration/Disk/CreatePartitions/CreatePartition/{name}"
            for name in ("Order", "Type", "Size", "Extend")
        ),
        *(
            f"DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/{name}"
            for name in ("Order", "PartitionID", "Format", "Label", "Letter")
        ),
        *(f"ImageInstall/OSImage/InstallFrom/MetaData/{name}" for name in ("Key", "Value")),
        *(f"ImageInstall/OSImage/InstallTo/{name}" for name in ("DiskID", "PartitionID")),
        "ImageInstall/OSImage/WillShowUI",
        *(f"UserData/{name}" for name in ("AcceptEula", "FullName", "ProductKey/Key", "ProductKey/WillShowUI")),
    ),
    ("Microsoft-Windows-Shell-Setup", "specialize"): ("ComputerName", "TimeZone"),
    ("Microsoft-Windows-Deployment", "specialize"): tuple(
        f"RunSynchronous/RunSynchronousCommand/{name}" for name in ("Order", "Description", "Path")
    ),
    ("Microsoft-Windows-International-Core", "oobeSystem"): LOCALE,
    ("Microsoft-Windows-Shell-Setup", "oobeSystem"): (
        *(f"UserAccounts/LocalAccounts/LocalAccount/{name}" for name in ("Name", "DisplayName", "Group")),
        *(f"UserAccounts/LocalAccounts/LocalAccount/Password/{name}" for name in ("Value", "PlainText")),
        *(f"OOBE/Hide{name}" for name in ("EULAPage", "LocalAccountScreen", "OEMRegistrationScreen")),
        *(f"OOBE/Hide{name}" for name in ("OnlineAccountScreens", "WirelessSetupInOOBE")),
        "OOBE/ProtectYourPC",
        *(f"FirstLogonCommands/SynchronousCommand/{name}" for name in ("Order", "Description", "CommandLine")),
    ),
}
# Items of lists, which need wcm:action.
ITEMS = {
    *("PathAndCredentials", "Disk", "CreatePartition", "ModifyPartition", "MetaData", "RunSynchronousCommand"),
    *("LocalAccount", "SynchronousCommand"),
}


def parse(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.encode("utf-8"))


def leaves(element: ElementTree.Element, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of each element without children."""
    for child in element:
        assert child.tag.startswith(UNATTEND), child.tag
        below = f"{path}/{child.tag[len(UNATTEND) :]}".lstrip("/")
        if len(child):
            yield from leaves(child, below)
        else:
            yield below, child.text or ""


def settings(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield component, pass, setting and value."""
    for part in parse(text):
        assert part.tag == f"{UNATTEND}settings"
        for component in part:
            assert component.tag == f"{UNATTEND}component"
            for path, value in leaves(component):
                yield component.get("name", ""), part.get("pass", ""), path, value


def value_of(text: str, setting: str) -> str:
    (value,) = {value for _component, _pass, path, value in settings(text) if path == setting}
    return value


@pytest.fixture(scope="module", params=[WINDOWS10, WINDOWS11])
def answers(request: pytest.FixtureRequest) -> str:
    return answer_file(request.param, WINDOWS)


def test_every_setting_is_one_of_the_reference(answers: str) -> None:
    used: dict[tuple[str, str], set[str]] = {}
    for component, name, path, _value in settings(answers):
        used.setdefault((component, name), set()).add(path)
    assert used == {key: set(paths) for key, paths in REFERENCE.items()}


def test_a_misspelt_setting_is_found(answers: str) -> None:
    misspelt = answers.replace("HideEULAPage", "HideEulaPage").replace("windowsPE", "windowsPe")
    with pytest.raises(AssertionError):
        test_every_setting_is_one_of_the_reference(misspelt)


def test_the_root_and_its_components_are_identified_as_setup_expects(answers: str) -> None:
    root = parse(answers)
    assert root.tag == f"{UNATTEND}unattend"
    for component in root.iter(f"{UNATTEND}component"):
        assert component.attrib == {
            "name": component.get("name"),
            "processorArchitecture": "amd64",
            "publicKeyToken": "31bf3856ad364e35",
            "language": "neutral",
            "versionScope": "nonSxS",
        }


def test_items_of_lists_are_added(answers: str) -> None:
    added = {element.tag for element in parse(answers).iter() if element.get(f"{WCM}action") == "add"}
    assert added == {f"{UNATTEND}{name}" for name in ITEMS}
    items = [element for element in parse(answers).iter() if element.tag in added]
    assert all(item.get(f"{WCM}action") == "add" for item in items)
    keys = [item.get(f"{WCM}keyValue") for item in items if item.tag == f"{UNATTEND}PathAndCredentials"]
    assert len(set(keys)) == len(keys)


def test_setup_gets_neither_comments_nor_switches_for_its_checks(answers: str) -> None:
    assert answers.startswith('<?xml version="1.0" encoding="utf-8"?>\n')
    assert "<!--" not in answers
    assert not re.search("LabConfig|Bypass", answers.replace("-ExecutionPolicy Bypass", ""))


@pytest.mark.parametrize(("os", "version"), [(WINDOWS10, "w10"), (WINDOWS11, "w11")])
def test_drivers_are_found_at_every_letter(os: str, version: str) -> None:
    paths = {value for _component, _pass, path, value in settings(answer_file(os, WINDOWS)) if path.endswith("/Path")}
    for driver in ("viostor", "NetKVM", "vioserial"):
        for letter in "CDEFGHIJKLMNOPQRSTUVWYZ":
            assert rf"{letter}:\{driver}\{version}\amd64" in paths


def test_the_image_is_chosen_by_name(answers: str) -> None:
    metadata = "ImageInstall/OSImage/InstallFrom/MetaData"
    assert value_of(answers, f"{metadata}/Key") == "/IMAGE/NAME"
    assert value_of(answers, f"{metadata}/Value") == "Windows 11 Pro"


def test_windows_is_installed_on_the_partition_after_efi_and_reserved_ones(answers: str) -> None:
    created = parse(answers).iter(f"{UNATTEND}CreatePartition")
    layout = [[(child.tag[len(UNATTEND) :], child.text) for child in partition] for partition in created]
    assert layout == [
        [("Order", "1"), ("Type", "EFI"), ("Size", "300")],
        [("Order", "2"), ("Type", "MSR"), ("Size", "16")],
        [("Order", "3"), ("Type", "Primary"), ("Extend", "true")],
    ]
    assert value_of(answers, "ImageInstall/OSImage/InstallTo/PartitionID") == "3"
    assert value_of(answers, "DiskConfiguration/Disk/DiskID") == value_of(
        answers, "ImageInstall/OSImage/InstallTo/DiskID"
    )


def test_commands_are_within_the_limits_of_setup(answers: str) -> None:
    assert len(value_of(answers, "RunSynchronous/RunSynchronousCommand/Path")) <= 259
    assert len(value_of(answers, "FirstLogonCommands/SynchronousCommand/CommandLine")) <= 1024


def test_the_language_of_the_medium_and_the_formats_are_apart(answers: str) -> None:
    assert value_of(answers, "UILanguage") == value_of(answers, "SetupUILanguage/UILanguage") == "en-US"
    assert value_of(answers, "UserLocale") == value_of(answers, "SystemLocale") == "de-DE"
    assert value_of(answers, "InputLocale") == "0407:00000407"


def test_the_generic_key_of_the_edition_is_used_without_another_one() -> None:
    keys = {edition.name: edition.generic_key for edition in EDITIONS}
    assert value_of(answer_file(WINDOWS11, WINDOWS), "UserData/ProductKey/Key") == keys["Pro"]
    key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
    own = answer_file(WINDOWS11, WINDOWS._replace(product_key=Secret(key)))
    assert value_of(own, "UserData/ProductKey/Key") == key
    evaluation = answer_file(WINDOWS11, WINDOWS._replace(image="Windows 11 Enterprise Evaluation"))
    assert "UserData/ProductKey/Key" not in [path for _component, _pass, path, _value in settings(evaluation)]


def test_passwords_are_encoded_as_in_files_that_work() -> None:
    # Both are in rgl/windows-vagrant, windows-11-24h2-uefi/autounattend.xml.
    assert encoded_password(Secret("vagrant"), "Password") == "dgBhAGcAcgBhAG4AdABQAGEAcwBzAHcAbwByAGQA"
    assert (
        encoded_password(Secret("vagrant"), "AdministratorPassword")
        == "dgBhAGcAcgBhAG4AdABBAGQAbQBpAG4AaQBzAHQAcgBhAHQAbwByAFAAYQBzAHMAdwBvAHIAZAA="
    )


def test_the_password_is_that_of_the_account(answers: str) -> None:
    account = "UserAccounts/LocalAccounts/LocalAccount"
    assert value_of(answers, f"{account}/Password/PlainText") == "false"
    decoded = base64.b64decode(value_of(answers, f"{account}/Password/Value")).decode("utf-16-le")
    assert decoded == f"{PASSWORD}Password"
    assert PASSWORD not in answers


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)


@given(TEXT, TEXT)
def test_any_text_of_the_user_is_what_setup_reads(user: str, password: str) -> None:
    text = answer_file(WINDOWS11, WINDOWS._replace(user=user, password=Secret(password)))
    assert value_of(text, "UserData/FullName") == user
    encoded = value_of(text, "UserAccounts/LocalAccounts/LocalAccount/Password/Value")
    assert base64.b64decode(encoded).decode("utf-16-le") == f"{password}Password"
