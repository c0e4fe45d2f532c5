# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EFI variables of the firmware and of the boot loader.

Each file of efivarfs has four bytes of attributes before the value (Documentation/filesystems/efivarfs.rst).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tree import Tree

DIRECTORY = "/sys/firmware/efi/efivars"
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # the firmware's own variables
_LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"  # https://systemd.io/BOOT_LOADER_INTERFACE/
_MEDIA, _FILE_PATH = 4, 4  # UEFI specification, "File Path Media Device Path"
_END = 0x7F
_MAX_CHARACTERS = 512


class LoadOption(NamedTuple):
    """An entry of the firmware's boot menu (UEFI specification, EFI_LOAD_OPTION)."""

    description: str
    path: str  # of the program on its partition, with backslashes; empty if the entry names none
    data: str  # the optional data, read as text: for shim, the program to start


def secure_boot(tree: Tree) -> bool | None:
    """Return whether Secure Boot is enabled. Firmware without the variable does not support it."""
    value = _value(tree, "SecureBoot", _GLOBAL)
    if value is None:
        names = tree.names(DIRECTORY)
        return False if names and "SecureBoot-" + _GLOBAL not in names else None
    return value == b"\x01" if len(value) == 1 else None


def loader_variable(tree: Tree, name: str) -> str | None:
    """Return a variable of the Boot Loader Interface, such as LoaderInfo or StubInfo."""
    value = _value(tree, name, _LOADER)
    return (_utf16(value) or None) if value is not None else None


def loader_path(name: str) -> str:
    """Return the path of a variable of the Boot Loader Interface."""
    return f"{DIRECTORY}/{name}-{_LOADER}"


def loader_features(tree: Tree) -> int | None:
    """Return what the boot loader says that it supports, as bits (LoaderFeatures); None without the variable."""
    value = _value(tree, "LoaderFeatures", _LOADER)
    return int.from_bytes(value, "little") if value is not None and len(value) == 8 else None


def booted_option(tree: Tree) -> LoadOption | None:
    """Return the entry of the firmware's menu that started this boot."""
    current = _value(tree, "BootCurrent", _GLOBAL)
    if current is None or len(current) != 2:
        return None
    value = _value(tree, "Boot{:04X}".format(int.from_bytes(current, "little")), _GLOBAL)
    return None if value is None else load_option(value)


def load_option(value: bytes) -> LoadOption | None:
    """Return the load option in a Boot#### variable, or None if it is damaged."""
    if len(value) < 6:
        return None
    (path_length,) = struct.unpack_from("<H", value, 4)
    end = 6
    while value[end : end + 2] not in (b"\0\0", b""):
        end += 2
    paths = value[end + 2 : end + 2 + path_length]
    if len(paths) < path_length:
        return None
    return LoadOption(_utf16(value[6:end]), _file_path(paths), _utf16(value[end + 2 + path_length :]))


def _file_path(paths: bytes) -> str:
    """Return the file path in a list of device path nodes."""
    parts = []
    position = 0
    while position + 4 <= len(paths):
        kind, subkind, length = struct.unpack_from("<BBH", paths, position)
        if length < 4 or kind == _END:
            break
        if (kind, subkind) == (_MEDIA, _FILE_PATH):
            parts.append(_utf16(paths[position + 4 : position + length]))
        position += length
    return "\\".join(parts)


def _utf16(value: bytes) -> str:
    text = value[: 2 * _MAX_CHARACTERS].decode("utf-16-le", "replace").split("\0", 1)[0]
    return "".join(character for character in text if character.isprintable()).strip()


def _value(tree: Tree, name: str, vendor: str) -> bytes | None:
    content = tree.data(f"{DIRECTORY}/{name}-{vendor}")
    return content[4:] if content is not None and len(content) > 4 else None
