# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unattended installation of a guest: the request, and the medium with the answers."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Union

#: WindowsInstall.remote_access: how Ansible reaches the installed system.
SSH, WINRM, NO_REMOTE_ACCESS = "ssh", "winrm", "none"


class Secret:
    """A password or a key. Neither messages nor tracebacks show it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"


class WindowsInstall(NamedTuple):
    """A request to install Windows from its medium."""

    iso: str  # path of the medium
    drivers: str  # path of the medium virtio-win
    disk: str | None  # a device, or the path of the disk, whose content may be lost
    user: str
    password: Secret
    image: str  # its name on the medium, such as "Windows 11 Pro"
    product_key: Secret | None
    computer_name: str
    language: str  # of the display; the medium has one or a few
    locale: str  # of formats
    keyboard: str  # a locale, or identifiers of language and layout such as "0407:00000407"
    time_zone: str  # as Windows names it
    remote_access: str
    ssh_keys: tuple[str, ...]


class LinuxInstall(NamedTuple):
    """A request to configure an image of Linux that has cloud-init, at its first boot."""

    user: str
    password_hash: Secret | None  # as crypt(3) makes it
    ssh_keys: tuple[str, ...]
    computer_name: str
    locale: str | None
    keyboard: str | None
    time_zone: str | None
    packages: tuple[str, ...]
    network: Mapping[str, Any] | None  # network configuration of cloud-init, as the user wrote it


InstallRequest = Union[WindowsInstall, LinuxInstall]


class AnswerMedium(NamedTuple):
    """The content of the medium with the answers."""

    label: str
    files: tuple[tuple[str, str], ...]  # paths on the medium, and texts


class GuestReport(NamedTuple):
    """What the installed system reported through its guest agent. None: the agent does not answer."""

    finished: bool
    failures: tuple[str, ...] = ()  # what could not be installed
