# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of kernel versions, and the version in the name of an image."""

from __future__ import annotations

import re
from typing import Tuple

_PART = re.compile(r"[0-9]+|[A-Za-z]+|~")
_IMAGE = re.compile(r"(?:vmlinuz|vmlinux|bzImage|Image|kernel|linux)-(.*)", re.DOTALL)
_SIGNED = re.compile(r"(?:\.efi|\.signed)+$")
#: A name below /lib/modules: what `uname -r` can print, which excludes paths, patterns and backups.
_VERSION = re.compile(r"[0-9]+\.[0-9][0-9A-Za-z._+~:-]{0,126}")
_BACKUP = re.compile(r"\.(?:old|bak|orig|tmp|dpkg-[a-z]+|rpm[a-z]+|hmac|sig)$|~$")

_BEFORE_END, _END, _LETTERS, _NUMBER = range(4)
Order = Tuple[Tuple[int, int, str], ...]


def version_order(version: str) -> Order:
    """Return a sort key for versions: 6.1.0-9 comes before 6.1.0-28, and 6.12-rc1 before 6.12."""
    key = []
    for part in _PART.findall(version):
        if part == "~" or part.lower() == "rc":
            key.append((_BEFORE_END, 0, part))
        elif part[0] in "0123456789":
            digits = part.lstrip("0")
            key.append((_NUMBER, len(digits), digits))  # compared by length, then as text: numbers of any length
        else:
            key.append((_LETTERS, 0, part))
    return (*key, (_END, 0, ""))


def is_version(text: str) -> bool:
    """Return whether `uname -r` could print this text."""
    return _VERSION.fullmatch(text) is not None and _BACKUP.search(text) is None


def version_in_name(path: str) -> str | None:
    """Return the version in an image's path: vmlinuz-VERSION, or VERSION/linux as kernel-install names it."""
    directory, _slash, name = path.rpartition("/")
    match = _IMAGE.fullmatch(_SIGNED.sub("", name))
    candidate = match.group(1) if match else directory.rpartition("/")[2] if name in ("linux", "vmlinuz") else ""
    return candidate if is_version(candidate) else None
