# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of an installation: what is filled in, and which mistakes are named, all at once and without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest import LINUX, WINDOWS10, WINDOWS11
from ansible_collections.vfio.workstation.plugins.module_utils._machine.guest_install import (
    SSH,
    InstallRequest,
    LinuxInstall,
    Secret,
    WindowsInstall,
)
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.answer_file import answer_file
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.install_spec import INSTALL
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.parse_install import parse_install
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.time_zones import TIME_ZONES
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.windows_editions import EDITIONS
from ansible_collections.vfio.workstation.plugins.module_utils._plan.input_reader import InputReader
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import Option, argument_spec
from ansible_collections.vfio.workstation.tests.guests.install import LINUX as LINUX_INSTALL
from ansible_collections.vfio.workstation.tests.guests.install import PASSWORD, PASSWORD_HASH, PUBLIC_KEY

SECRET = "s3cret-that-no-message-shows"
ACCOUNT = "an account name of up to 20 characters, none of them special"
COMPUTER = "a computer name: up to 15 letters, digits and hyphens, not digits alone"
NAMES = {"install": "workstation_guests[0].install"}
OF_WINDOWS = {"iso": "/srv/iso/windows.iso", "drivers": "/srv/iso/virtio-win.iso", "user": "dev", "password": PASSWORD}
OF_LINUX = {"user": "dev", "ssh_keys": [PUBLIC_KEY]}


def parse(os: str, options: dict[str, Any], guest: str = "windows") -> tuple[InstallRequest | None, list[str]]:
    reader = InputReader(NAMES)
    values = reader.read("install", options, Option("dict", options=INSTALL))
    return parse_install(reader, "install", os, guest, values), reader.mistakes


def windows(**options: Any) -> WindowsInstall:
    request, mistakes = parse(WINDOWS11, {**OF_WINDOWS, **options})
    assert not mistakes
    assert isinstance(request, WindowsInstall)
    return request


def linux(**options: Any) -> LinuxInstall:
    request, mistakes = parse(LINUX, {**OF_LINUX, **options}, "linux")
    assert not mistakes
    assert isinstance(request, LinuxInstall)
    return request


def mistake(os: str, options: dict[str, Any], guest: str = "windows") -> str:
    (text,) = parse(os, options, guest)[1]
    return text


def test_windows_needs_two_media_and_an_account() -> None:
    assert windows() == WindowsInstall(
        iso="/srv/iso/windows.iso",
        drivers="/srv/iso/virtio-win.iso",
        disk=None,
        user="dev",
        password=Secret(PASSWORD),
        image="Windows 11 Pro",
        product_key=None,
        computer_name="windows",
        language="en-US",
        locale="en-US",
        keyboard="en-US",
        time_zone="UTC",
        remote_access=SSH,
        ssh_keys=(),
    )


def test_linux_needs_an_account_that_somebody_can_use() -> None:
    assert linux().ssh_keys == (PUBLIC_KEY,)
    assert linux(ssh_keys=[], password_hash=PASSWORD_HASH).password_hash == Secret(PASSWORD_HASH)
    assert linux(ssh_keys=[f"  {PUBLIC_KEY}\n", PUBLIC_KEY]).ssh_keys == (PUBLIC_KEY,)
    text = "ssh_keys or password_hash is required: nobody could log in. Add one of them."
    assert parse(LINUX, {"user": "dev"})[1] == [f"workstation_guests[0].install.ssh_keys: {text}"]


def test_no_installation_is_one() -> None:
    reader = InputReader()
    assert parse_install(reader, "install", LINUX, "linux", None) is None
    assert not reader.mistakes


def test_all_mistakes_are_named_at_once() -> None:
    options = {"user": "Administrator", "edition": "Profi", "time_zone": "here", "packages": ["vim"]}
    request, mistakes = parse(WINDOWS11, options)
    assert request is None
    assert {text.partition(":")[0].removeprefix("workstation_guests[0].install.") for text in mistakes} == {
        *("packages", "password", "iso", "drivers", "user", "edition", "time_zone"),
    }


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("iso", "windows.iso", "found 'windows.iso', expected the absolute path of a medium with Windows. Correct it."),
        ("iso", None, "found None, expected the absolute path of a medium with Windows. Add it."),
        ("drivers", None, "found None, expected the absolute path of the medium virtio-win (virtio-win.iso). Add it."),
        ("user", None, "found None, expected an account name of up to 20 characters, none of them special. Add it."),
        (
            "user",
            "a:b",
            "found 'a:b', expected an account name of up to 20 characters, none of them special. Correct it.",
        ),
        ("user", "Guest", "Windows has an account Guest of its own. Choose another name."),
        ("password", None, "a password is required: Windows has no other way to log in. Add it."),
        (
            "computer_name",
            "DEV",
            "the account has the name DEV as well. Set another one.",
        ),
        (
            "computer_name",
            "1234",
            f"found '1234', expected {COMPUTER}. Correct it.",
        ),
        (
            "time_zone",
            "Europe/Berln",
            (
                "found 'Europe/Berln', expected a zone as Windows names it, such as W. Europe Standard Time, "
                "or the main city of one, such as Europe/Berlin. Did you mean Europe/Berlin?"
            ),
        ),
        ("image", "", "found '', expected the name of an image, such as Windows 11 Pro. Correct it."),
        ("password_hash", "x", "it is for guests with Linux, and os is windows11. Remove it."),
    ],
)
def test_a_mistake_for_windows_is_named(option: str, value: Any, text: str) -> None:
    found = mistake(WINDOWS11, {**OF_WINDOWS, option: value})
    assert found == f"workstation_guests[0].install.{option}: {text}"


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("user", "root", "root exists already. Choose another name; the account may use sudo."),
        ("user", "Dev", "found 'Dev', expected an account name of small letters, digits, _ and -. Correct it."),
        ("time_zone", "a b", "found 'a b', expected a zone of the tz database, such as Europe/Berlin. Correct it."),
        ("network", "dhcp", "expected a network configuration of cloud-init, a mapping. Correct or remove it."),
        ("password", "x", "it is for guests with Windows, and os is linux. Remove it."),
        ("edition", "Pro", "it is for guests with Windows, and os is linux. Remove it."),
    ],
)
def test_a_mistake_for_linux_is_named(option: str, value: Any, text: str) -> None:
    found = mistake(LINUX, {**OF_LINUX, option: value}, "linux")
    assert found == f"workstation_guests[0].install.{option}: {text}"


@pytest.mark.parametrize(
    ("os", "options"),
    [
        (WINDOWS11, {"password": f"{SECRET}\n"}),
        (WINDOWS11, {"product_key": SECRET}),
        (WINDOWS11, {"ssh_keys": [SECRET]}),
        (WINDOWS11, {"pasword": SECRET}),
        (LINUX, {"password_hash": SECRET}),
        (LINUX, {"ssh_keys": [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}"]}),
    ],
)
def test_no_mistake_shows_a_secret(os: str, options: dict[str, Any]) -> None:
    found = mistake(os, {**(OF_LINUX if os == LINUX else OF_WINDOWS), **options})
    assert SECRET not in found
    assert next(iter(options)) in found


def test_secrets_are_not_shown() -> None:
    assert PASSWORD not in repr(windows())
    assert PASSWORD_HASH not in f"{LINUX_INSTALL}"
    secret = {name for name, option in argument_spec(INSTALL).items() if option.get("no_log")}
    assert secret == {"password", "password_hash", "product_key"}


@pytest.mark.parametrize(("os", "version"), [(WINDOWS10, "Windows 10"), (WINDOWS11, "Windows 11")])
def test_an_edition_is_found_by_its_name(os: str, version: str) -> None:
    for edition in EDITIONS:
        request, mistakes = parse(os, {**OF_WINDOWS, "edition": edition.name.upper()})
        assert not mistakes
        assert isinstance(request, WindowsInstall)
        assert request.image == f"{version} {edition.name}"
    assert "Did you mean Enterprise? " in mistake(os, {**OF_WINDOWS, "edition": "enterprize"})


def test_an_image_of_another_medium_is_named_instead_of_an_edition() -> None:
    assert windows(image="Windows 11 Enterprise LTSC").image == "Windows 11 Enterprise LTSC"
    found = mistake(WINDOWS11, {**OF_WINDOWS, "image": "Own", "edition": "Pro"})
    assert found.endswith("image and edition both name what to install. Remove one of them.")


def test_a_time_zone_is_found_by_either_name() -> None:
    for name, zone in TIME_ZONES.items():
        assert windows(time_zone=name).time_zone == windows(time_zone=zone).time_zone == name


def test_keyboard_and_language_are_those_of_the_locale_unless_they_are_requested() -> None:
    request = windows(locale="de-DE")
    assert (request.language, request.locale, request.keyboard) == ("de-DE", "de-DE", "de-DE")
    assert windows(locale="de-DE", language="en-GB", keyboard="0407:00000407")[-6:-3] == (
        "en-GB",
        "de-DE",
        "0407:00000407",
    )


@given(st.text(), st.text())
def test_whatever_is_accepted_can_be_written(user: str, password: str) -> None:
    request, mistakes = parse(WINDOWS11, {**OF_WINDOWS, "user": user, "password": password})
    assert (request is None) == bool(mistakes)
    if isinstance(request, WindowsInstall):
        answer_file(WINDOWS11, request).encode("utf-8")
