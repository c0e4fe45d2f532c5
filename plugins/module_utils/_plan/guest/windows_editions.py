# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The editions of Windows: the names of their images on the media, and keys that choose them.

The names are those of `dism /Get-ImageInfo` on Microsoft's media for x64, which are English on media of all languages.
A generic key chooses an edition, and activates nothing. Without any key, Setup asks for one or for the edition.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping, NamedTuple

from ..._machine.guest import WINDOWS10, WINDOWS11


class Edition(NamedTuple):
    """An edition, as it is named after the version: "Windows 11 Pro"."""

    name: str
    generic_key: str | None  # None: media of this edition have a key of their own


#: In the order of Microsoft's consumer media, then of the business media.
EDITIONS = (
    Edition("Home", "YTMG3-N6DKC-DKB77-7M9GH-8HVX7"),
    Edition("Home N", "4CPRK-NM3K3-X6XXQ-RXX86-WXCHW"),
    Edition("Home Single Language", "BT79Q-G7N6G-PGBYW-4YWX6-6F4BT"),
    Edition("Education", "YNMGQ-8RYV3-4PGQ3-C8XTP-7CFBY"),
    Edition("Education N", "84NGF-MHBT6-FXBX8-QWJK7-DRR8H"),
    Edition("Pro", "VK7JG-NPHTM-C97JM-9MPGT-3V66T"),
    Edition("Pro N", "2B87N-8KFHP-DKV6R-Y2C8J-PKCKT"),
    Edition("Pro Education", "8PTT6-RNW4C-6V7J2-C2D3X-MHBPB"),
    Edition("Pro Education N", "GJTYN-HDMQY-FRR76-HVGC7-QPF8P"),
    Edition("Pro for Workstations", "DXG7C-N36C4-C4HTG-X4T3X-2YV77"),
    Edition("Pro N for Workstations", "WYPNQ-8C467-V2W6J-TX4WX-WT2RQ"),
    Edition("Enterprise", "XGVPP-NMH47-7TTHJ-W3FW7-8HV2C"),
    Edition("Enterprise N", "WGGHN-J84D6-QYCPR-T7PJ7-X766F"),
    Edition("Enterprise Evaluation", None),
)
_VERSIONS: Mapping[str, str] = MappingProxyType({WINDOWS10: "Windows 10", WINDOWS11: "Windows 11"})


def find_edition(name: str) -> Edition | None:
    """Return an edition by its name; case does not matter."""
    return next((edition for edition in EDITIONS if edition.name.lower() == name.lower()), None)


def image_name(os: str, edition: Edition) -> str:
    """Return the name of an edition's image on the medium."""
    return f"{_VERSIONS[os]} {edition.name}"


def generic_key(image: str) -> str | None:
    """Return the generic key for an image; None where there is none, or where the image is not one of an edition."""
    for edition in EDITIONS:
        if image in (f"{version} {edition.name}" for version in _VERSIONS.values()):
            return edition.generic_key
    return None
