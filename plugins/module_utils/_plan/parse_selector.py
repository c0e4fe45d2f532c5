# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the selection of a device."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from .._machine.desired import Selector
from .input_reader import InputReader
from .notation import full_address, full_slot
from .request_spec import SELECT

#: Names of classes by their leading digits (include/linux/pci_ids.h).
CLASSES = {
    "display": ("03",),
    "audio": ("0401", "0403"),
    "video": ("0400",),
    "nvme": ("0108",),
    "sata": ("0106",),
    "storage": ("01",),
    "network": ("02",),
    "wireless": ("0d", "0280"),
    "usb": ("0c03",),
    "thunderbolt": ("0c0340",),
    "accelerator": ("12",),
}
#: Vendors that have names here (include/linux/pci_ids.h). GPUs of AMD have the number of ATI.
VENDORS = {"nvidia": ("10de",), "amd": ("1002", "1022"), "intel": ("8086",)}

_CLASS = re.compile(r"(?:0x)?([0-9a-f]{2}(?:[0-9a-f]{2}){0,2})")
_ID = re.compile(r"(?:0x)?([0-9a-f]{4})")
_PAIR = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")
_DRIVER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_QUOTE = "Put it in quotes: without them, YAML reads a number."


def parse_selector(reader: InputReader, path: str, value: Any) -> Selector | None:
    """Return a selector; None after a mistake, and for an omitted one, which the reader has noted."""
    if value is None:
        return None
    if isinstance(value, (str, float, int)) and not isinstance(value, bool):
        address = _text(reader, path, value, full_address, "an address such as '0000:41:00.0', or a mapping")
        return Selector(address=address) if address else None
    values = reader.mapping(path, value, SELECT)
    if values is None:
        return None
    if not any(item is not None for item in value.values()):
        keys = ", ".join(SELECT)
        reader.report(path, dict(value), f"at least one of {keys}", "Name what distinguishes the device from others.")
        return None
    class_ = _text(reader, f"{path}.class", values["class"], _class, f"one of {', '.join(CLASSES)}, or digits")
    vendor, device = _ids(reader, path, values, "id", "vendor", "device")
    subsystem_vendor, subsystem_device = _ids(reader, path, values, "subsystem", "subsystem_vendor", "subsystem_device")
    return Selector(
        address=_text(reader, f"{path}.address", values["address"], full_address, "an address: '0000:41:00.0'"),
        slot=_text(reader, f"{path}.slot", values["slot"], full_slot, "an address without function: '0000:41:00'"),
        class_=class_,
        class_name=str(values["class"]).strip().lower() if class_ else None,
        vendor=vendor,
        device=device[0] if device else None,
        subsystem_vendor=subsystem_vendor[0] if subsystem_vendor else None,
        subsystem_device=subsystem_device[0] if subsystem_device else None,
        model=_text(reader, f"{path}.model", values["model"], _words, "words of the device's name"),
        boot_display=values["boot_display"],
        driver=_text(reader, f"{path}.driver", values["driver"], _driver, "the name of a driver"),
    )


def _ids(
    reader: InputReader, path: str, values: Mapping[str, Any], pair: str, first: str, second: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Return two ids, which may be written as one: `id: 10de:2684`."""
    both = _text(reader, f"{path}.{pair}", values[pair], _pair, "two ids such as '10de:2684'")
    parse_first = _vendor if first == "vendor" else _one_id
    expected = "four hexadecimal digits" + (f", or {', '.join(VENDORS)}" if first == "vendor" else "")
    vendor = _text(reader, f"{path}.{first}", values[first], parse_first, expected)
    device = _text(reader, f"{path}.{second}", values[second], _one_id, "four hexadecimal digits")
    if both is None:
        return vendor, device
    if vendor is not None or device is not None:
        reader.report(f"{path}.{pair}", values[pair], f"either {pair}, or {first} and {second}", "Omit one of them.")
    return (both[0],), (both[1],)


def _text(reader: InputReader, path: str, value: Any, parse: Callable[[str], Any], expected: str) -> Any:
    """Return what a text is parsed to.

    Numbers are refused rather than guessed: YAML 1.1 reads 0x1f86 as 8070, and 0000:41:00.0 as 2460.0, a time of day.
    """
    if value is None:
        return None
    parsed = parse(value.strip().lower()) if isinstance(value, str) else None
    if parsed is None:
        is_number = not isinstance(value, bool) and isinstance(value, (int, float))
        is_number = is_number or (isinstance(value, str) and re.fullmatch(r"[0-9]+\.0", value) is not None)
        reader.report(path, value, expected, _QUOTE if is_number else "")
    return parsed


def _class(text: str) -> tuple[str, ...] | None:
    match = _CLASS.fullmatch(text)
    return CLASSES.get(text) or ((match.group(1),) if match else None)


def _vendor(text: str) -> tuple[str, ...] | None:
    return VENDORS.get(text) or _one_id(text)


def _one_id(text: str) -> tuple[str, ...] | None:
    match = _ID.fullmatch(text)
    return (match.group(1),) if match else None


def _pair(text: str) -> tuple[str, str] | None:
    match = _PAIR.fullmatch(text)
    return (match.group(1), match.group(2)) if match else None


def _words(text: str) -> tuple[str, ...] | None:
    return tuple(text.split()) or None


def _driver(text: str) -> str | None:
    return text if _DRIVER.fullmatch(text) else None
