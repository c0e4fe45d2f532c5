# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsers for small pieces of kernel text. Invalid text is None, never an exception and never a guess."""

from __future__ import annotations

import functools
import re

#: More CPUs or nodes than any kernel supports (x86's NR_CPUS is at most 8192): larger numbers are invalid.
MOST_IDS = 65536

#: Size of the caches of parsed values: a machine's functions have few distinct ones.
_CACHED = 512

_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
_MASK = re.compile(r"([0-9a-fA-F]{1,8})((?:,[0-9a-fA-F]{8})*)")


def is_pci_address(text: str) -> bool:
    """Return whether text is a full address, `0000:41:00.0`; VMD domains have more than four digits."""
    return _PCI_ADDRESS.fullmatch(text) is not None


def address_order(address: str) -> tuple[int, str]:
    """Return a sort key for bus order, which does not depend on the number of digits of the domain."""
    domain, _colon, rest = address.partition(":")
    return int(domain, 16), rest


@functools.lru_cache(maxsize=_CACHED)
def integer(text: str | None, least: int = 0, most: int = 2**63 - 1) -> int | None:
    """Return a decimal number within bounds, or None."""
    digits = None if text is None else _stripped(text)
    if digits is None or not _INTEGER.fullmatch(digits):
        return None
    value = int(digits)
    return value if least <= value <= most else None


@functools.lru_cache(maxsize=_CACHED)
def hex_digits(text: str | None, width: int) -> str | None:
    """Return a hexadecimal number as exactly `width` lower-case digits without 0x, or None."""
    match = _HEX.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    digits = match.group(1).lower().lstrip("0").rjust(width, "0")
    return digits if len(digits) == width else None


def cpu_list(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of a list such as `0-3,8`, ascending.

    An empty list is (). nohz_full prints `(null)` if the kernel supports it and the argument is not given.
    Source: Documentation/admin-guide/cputopology.rst.
    """
    if text is None:
        return None
    text = _stripped(text)
    if text in ("", "(null)"):
        return ()
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return None
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if not first <= last < MOST_IDS:
            return None
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def cpu_mask(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of a mask such as `00000001,0000000f`: 32-bit words, the highest first.

    Source: "bitmap" in Documentation/core-api/printk-formats.rst.
    """
    match = _MASK.fullmatch(_stripped(text)) if text else None
    if match is None:
        return None
    mask = int(match.group(0).replace(",", ""), 16)
    if mask.bit_length() > MOST_IDS:
        return None
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)


def _stripped(text: str) -> str:
    """Return text without surrounding white space, and without the NUL bytes that some captures have at the end."""
    return text.strip().rstrip("\0").rstrip()


def size_bytes(text: str | None) -> int | None:
    """Return the bytes of a size such as `32768K`, as the cache and hugepage attributes print it, or None."""
    match = re.fullmatch(r"([0-9]{1,12})([KMG])B?", text.strip(), re.IGNORECASE | re.ASCII) if text else None
    if match is None:
        return None
    size = int(match.group(1)) << {"K": 10, "M": 20, "G": 30}[match.group(2).upper()]
    return size if size < 1 << 63 else None


def yes_no(text: str | None) -> bool | None:
    """Return a module parameter of type bool or int (`Y`, `N`, `1`, `0`), or None."""
    return {"Y": True, "1": True, "N": False, "0": False}.get((text or "").strip().upper())


def key_values(text: str | None, separator: str = "=") -> dict[str, str]:
    """Return the pairs of a text with one pair a line (uevent, os-release, meminfo). The last of equal keys wins."""
    pairs = {}
    for line in (text or "").splitlines():
        key, separated, value = line.partition(separator)
        if separated:
            pairs[key.strip()] = value.strip()
    return pairs
