# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the options of an unattended installation. No message shows a password, a key of a product, or a hash."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping

from ..._machine.guest import LINUX
from ..._machine.guest_install import SSH, InstallRequest, LinuxInstall, Secret, WindowsInstall
from ..input_reader import InputReader
from ..nearest import nearest
from . import install_spec
from .time_zones import TIME_ZONES, windows_time_zone
from .windows_editions import EDITIONS, find_edition, image_name

#: Characters that no XML document can hold, and others that are no text.
_NO_TEXT = r"\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
_PATH = re.compile(rf"/[^{_NO_TEXT}]{{1,4000}}")
_TEXT = re.compile(rf"[^{_NO_TEXT}]{{1,127}}")
#: Microsoft, New-LocalUser: up to 20 characters, none of those that are special in names, and no period at the end.
_WINDOWS_USER = re.compile(rf"""(?! )[^{_NO_TEXT}"/\\\[\]:;|=,+*?<>@%]{{1,20}}(?<![. ])""")
#: Accounts that every Windows has.
_TAKEN_ACCOUNTS = (
    *("administrator", "guest", "defaultaccount", "wdagutilityaccount"),
    *("system", "local service", "network service", "none"),
)
#: useradd(8)
_LINUX_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
#: A NetBIOS name; digits alone are not allowed.
_COMPUTER = re.compile(r"(?![0-9]+\Z)(?!-)[A-Za-z0-9-]{1,15}(?<!-)", re.ASCII)
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
_WINDOWS_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})", re.ASCII)
_WINDOWS_KEYBOARD = re.compile(rf"{_WINDOWS_LOCALE.pattern}|[0-9a-fA-F]{{4}}:[0-9a-fA-F]{{8}}", re.ASCII)
_LINUX_LOCALE = re.compile(r"[A-Za-z]{1,3}(_[A-Z]{2})?([.][A-Za-z0-9-]{1,16})?(@[a-z]{1,16})?|POSIX", re.ASCII)
_LAYOUT = re.compile(r"[a-z]{2,16}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_PRODUCT_KEY = re.compile(r"([A-Z0-9]{5}-){4}[A-Z0-9]{5}", re.ASCII)
#: crypt(5)
_HASH = re.compile(r"[$](?:y|gy|7|2[aby]|6|5)[$][!-~]{20,400}", re.ASCII)
_SSH_KEY = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]{3,40} AAAA[A-Za-z0-9+/]{16,8000}={0,2}( [ -~]{0,200})?", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,100}", re.ASCII)

_DEFAULT_LOCALE, _DEFAULT_ZONE, _DEFAULT_EDITION = "en-US", "UTC", "Pro"
_BY_SYSTEM: Mapping[bool, Mapping[str, Any]] = MappingProxyType(
    {True: install_spec.WINDOWS, False: install_spec.LINUX}  # whether the system is Windows
)


def parse_install(
    reader: InputReader, path: str, os: str, guest: str, values: Mapping[str, Any] | None
) -> InstallRequest | None:
    """Return the request for an installation; None where none is requested, or where it has mistakes.

    Args:
        reader: Notes the mistakes.
        path: The path of the option: `install`.
        os: The system of the guest.
        guest: The name of the guest, which the computer has unless another one is requested.
        values: The values of the options, read by `install_spec.INSTALL`.
    """
    if values is None:
        return None
    before = len(reader.mistakes)
    fields = _Fields(reader, path, values)
    is_windows = os != LINUX
    for name in _BY_SYSTEM[not is_windows]:
        if values[name] not in (None, (), []):
            system = "Linux" if is_windows else "Windows"
            fields.mistake(name, f"it is for guests with {system}, and os is {os}. Remove it.")
    request = _windows(fields, os, guest) if is_windows else _linux(fields, guest)
    return request if len(reader.mistakes) == before else None


class _Fields:
    """The options of an installation, with readers that note mistakes and return a valid value instead."""

    def __init__(self, reader: InputReader, path: str, values: Mapping[str, Any]) -> None:
        self._reader = reader
        self._path = path
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def mistake(self, name: str, sentence: str) -> None:
        """Note a mistake without the value."""
        self._reader.report_sentence(f"{self._path}.{name}", sentence)

    def text(self, name: str, pattern: re.Pattern[str], expected: str, default: str | None = None) -> str:
        """Return a text; without a default, it is required."""
        value = self._values[name] if self._values[name] is not None else default
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        remedy = "Add it." if value is None else "Correct it."
        self._reader.report(f"{self._path}.{name}", value, expected, remedy)
        return ""

    def optional(self, name: str, pattern: re.Pattern[str], expected: str) -> str | None:
        """Return a text, or None where it is omitted."""
        return self.text(name, pattern, expected) if self._values[name] is not None else None

    def secret(self, name: str, pattern: re.Pattern[str], expected: str) -> Secret | None:
        """Return a secret, or None where it is omitted."""
        value = self._values[name]
        if value is None:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.mistake(name, f"expected {expected} (the value is not shown). Correct it.")
            return None
        return Secret(value)

    def items(self, name: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """Return a list of texts. Mistaken ones are not shown: a private key may have been taken for a public one."""
        for path, value in self._values[name]:
            if not isinstance(value, str) or not pattern.fullmatch(value.strip()):
                self._reader.report_sentence(path, f"expected {expected} (the value is not shown). Correct it.")
        return tuple(dict.fromkeys(str(value).strip() for _path, value in self._values[name]))


def _windows(fields: _Fields, os: str, guest: str) -> WindowsInstall:
    locale = fields.text("locale", _WINDOWS_LOCALE, "a locale as Windows names it, such as de-DE", _DEFAULT_LOCALE)
    password = fields.secret("password", _TEXT, "a password of up to 127 characters, on one line")
    if fields["password"] is None:
        fields.mistake("password", "a password is required: Windows has no other way to log in. Add it.")
    return WindowsInstall(
        iso=fields.text("iso", _PATH, "the absolute path of a medium with Windows"),
        drivers=fields.text("drivers", _PATH, "the absolute path of the medium virtio-win (virtio-win.iso)"),
        disk=fields.optional("disk", _PATH if str(fields["disk"]).startswith("/") else _TEXT, "a disk of the guest"),
        user=_windows_user(fields),
        password=password or Secret(""),
        image=_image(fields, os),
        product_key=fields.secret("product_key", _PRODUCT_KEY, "a key of five groups of five letters and digits"),
        computer_name=_computer_name(fields, guest),
        language=fields.text("language", _WINDOWS_LOCALE, "the language of the medium, such as de-DE", locale or None),
        locale=locale,
        keyboard=fields.text(
            "keyboard", _WINDOWS_KEYBOARD, "a locale, or a layout such as 0407:00000407", locale or None
        ),
        time_zone=_windows_zone(fields),
        remote_access=fields["remote_access"] or SSH,
        ssh_keys=_ssh_keys(fields),
    )


def _windows_user(fields: _Fields) -> str:
    user = fields.text("user", _WINDOWS_USER, "an account name of up to 20 characters, none of them special")
    if user.lower() in _TAKEN_ACCOUNTS:
        fields.mistake("user", f"Windows has an account {user} of its own. Choose another name.")
    return user


def _computer_name(fields: _Fields, guest: str) -> str:
    expected = "a computer name: up to 15 letters, digits and hyphens, not digits alone"
    name = fields.text("computer_name", _COMPUTER, expected, guest)
    if name and name.lower() == str(fields["user"]).lower():
        fields.mistake("computer_name", f"the account has the name {name} as well. Set another one.")
    return name


def _image(fields: _Fields, os: str) -> str:
    """Return the name of the image on the medium."""
    if fields["image"] is not None:
        if fields["edition"] is not None:
            fields.mistake("image", "image and edition both name what to install. Remove one of them.")
        return fields.text("image", _TEXT, "the name of an image, such as Windows 11 Pro")
    requested = fields["edition"] if fields["edition"] is not None else _DEFAULT_EDITION
    edition = find_edition(requested) if isinstance(requested, str) else None
    if edition is None:
        names = {edition.name.lower(): edition.name for edition in EDITIONS}
        meant = nearest(requested.lower(), names) if isinstance(requested, str) else None
        choices = ", ".join(edition.name for edition in EDITIONS)
        hint = f"Did you mean {names[meant]}? " if meant else ""
        fields.mistake(
            "edition", f"found {requested!r}, expected one of {choices}. {hint}For any other medium, set image."
        )
        return ""
    return image_name(os, edition)


def _windows_zone(fields: _Fields) -> str:
    requested = fields["time_zone"] if fields["time_zone"] is not None else _DEFAULT_ZONE
    zone = windows_time_zone(requested) if isinstance(requested, str) else None
    if zone is None:
        known = (*TIME_ZONES, *TIME_ZONES.values())
        meant = nearest(requested, known) if isinstance(requested, str) else None
        hint = f"Did you mean {meant}?" if meant else "`tzutil /l` prints the names in Windows."
        fields.mistake(
            "time_zone",
            f"found {requested!r}, expected a zone as Windows names it, such as W. Europe Standard Time, "
            f"or the main city of one, such as Europe/Berlin. {hint}",
        )
    return zone or ""


def _linux(fields: _Fields, guest: str) -> LinuxInstall:
    password_hash = fields.secret(
        "password_hash", _HASH, "a hash of crypt(3), as `mkpasswd` and the filter password_hash make it"
    )
    if fields["password_hash"] is None and not fields["ssh_keys"]:
        fields.mistake("ssh_keys", "ssh_keys or password_hash is required: nobody could log in. Add one of them.")
    user = fields.text("user", _LINUX_USER, "an account name of small letters, digits, _ and -")
    if user == "root":
        fields.mistake("user", "root exists already. Choose another name; the account may use sudo.")
    network = fields["network"]
    if network is not None and not isinstance(network, Mapping):
        fields.mistake("network", "expected a network configuration of cloud-init, a mapping. Correct or remove it.")
        network = None
    return LinuxInstall(
        user=user,
        password_hash=password_hash,
        ssh_keys=_ssh_keys(fields),
        computer_name=fields.text(
            "computer_name",
            _HOST,
            "a host name: letters, digits and hyphens",
            guest.replace("_", "-").replace(".", "-"),
        ),
        locale=fields.optional("locale", _LINUX_LOCALE, "a locale, such as de_DE.UTF-8"),
        keyboard=fields.optional("keyboard", _LAYOUT, "a layout of X, such as de"),
        time_zone=fields.optional("time_zone", _ZONE, "a zone of the tz database, such as Europe/Berlin"),
        packages=fields.items("packages", _PACKAGE, "the name of a package"),
        network=network,
    )


def _ssh_keys(fields: _Fields) -> tuple[str, ...]:
    return fields.items("ssh_keys", _SSH_KEY, "a public key on one line, as in ~/.ssh/id_ed25519.pub")
