# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The notation of sizes, CPU lists and PCI addresses, of users and of the kernel."""

from __future__ import annotations

import re
from typing import Iterable

_SIZE = re.compile(r"([0-9]{1,9}(?:[.][0-9]{1,3})?) ?([KMGT])(?:i?B)?", re.IGNORECASE | re.ASCII)
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", re.ASCII)
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2})([.][0-7])?")
_UNITS = "KMGT"
_MOST = 65536  # as in _probe.parse: more CPUs than any kernel supports


def parse_size(text: str) -> int | None:
    """Return the bytes of `1G`, `2M`, `16GiB`, `1.5 G`; None where the text is no size, or no whole number of bytes.

    `GB` means GiB here: memory modules have no decimal sizes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = match.groups()
    whole, _dot, fraction = number.partition(".")
    shift = 10 * (1 + _UNITS.index(unit.upper()))
    parts = int(whole + fraction) << shift
    scale = 10 ** len(fraction)
    return parts // scale if parts % scale == 0 else None


def size_text(size: int) -> str:
    """Return a number of bytes for the user: `16 GiB`, `1.5 GiB`."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1 << (10 * power):
            return f"{size / (1 << (10 * power)):.4g} {unit}"
    return f"{size} bytes"


def page_size_text(size_kb: int) -> str:
    """Return a page size as `hugepagesz=` takes it: `1G`, `2M`, `64K` (memparse() of lib/cmdline.c)."""
    for power, unit in ((2, "G"), (1, "M")):
        if size_kb % (1 << (10 * power)) == 0:
            return f"{size_kb >> (10 * power)}{unit}"
    return f"{size_kb}K"


def parse_numbers(text: str) -> tuple[int, ...] | None:
    """Return the numbers of a list such as `2-7,10`, ascending; None where the text is no such list."""
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return None
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if not first <= last < _MOST:
            return None
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def numbers_text(numbers: Iterable[int]) -> str:
    """Return numbers as the kernel writes a list: `2-7,10`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def full_address(text: str) -> str | None:
    """Return a function's address with its PCI domain, `0000:41:00.0` for `41:00.0`; None for any other text."""
    match = _ADDRESS.fullmatch(text.strip().lower())
    return f"{match.group(1) or '0000'}:{match.group(2)}{match.group(3)}" if match and match.group(3) else None


def full_slot(text: str) -> str | None:
    """Return a slot's address with its PCI domain, `0000:41:00` for `41:00`; None for any other text."""
    match = _ADDRESS.fullmatch(text.strip().lower())
    return f"{match.group(1) or '0000'}:{match.group(2)}" if match and not match.group(3) else None


def slot_of(address: str) -> str:
    """Return the slot of a function's address: `0000:41:00` for `0000:41:00.0`."""
    return address.rpartition(".")[0]


def address_order(address: str) -> tuple[int, str]:
    """Return a sort key for bus order; names of platform devices come last."""
    domain, colon, rest = address.partition(":")
    return (int(domain, 16), rest) if colon and _ADDRESS.fullmatch(address) else (1 << 32, address)
