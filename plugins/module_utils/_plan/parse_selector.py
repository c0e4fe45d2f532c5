# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person writes to say which device is meant."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

from .._machine.desired import Selector
from .input_reader import Variables
from .notation import full_address, full_slot

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
#: Makers whose names people write (include/linux/pci_ids.h). AMD's GPUs have ATI's number.
VENDORS = {"nvidia": ("10de",), "amd": ("1002", "1022"), "intel": ("8086",)}

_KEYS = (
    *("class", "vendor", "device", "id", "subsystem_vendor", "subsystem_device", "subsystem"),
    *("address", "slot", "model", "boot_display", "driver"),
)
_CLASS = re.compile(r"(?:0x)?([0-9a-f]{2}(?:[0-9a-f]{2}){0,2})")
_ID = re.compile(r"(?:0x)?([0-9a-f]{4})")
_PAIR = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")
_DRIVER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_QUOTE = "Put it in quotes: without them YAML makes a number of it."


def read_selector(found: Variables, path: str, raw: Any) -> Selector | None:
    """Return a selector: a mapping, or an address for short."""
    if isinstance(raw, (str, float, int)) and not isinstance(raw, bool):
        address = _text(found, path, raw, full_address, "an address such as '0000:41:00.0', or a mapping")
        return Selector(address=address) if address else None
    values = found.mapping(path, raw, _KEYS)
    if values is None:
        found.missing(path, raw, f"what tells the device from others: {', '.join(_KEYS)}")
        return None
    if not any(value is not None for value in values.values()):
        found.say(path, dict(values), f"at least one of {', '.join(_KEYS)}", "Say what tells the device from others.")
        return None
    class_ = _text(found, f"{path}.class", values.get("class"), _class, f"one of {', '.join(CLASSES)}, or digits")
    vendor, device = _ids(found, path, values, "id", "vendor", "device")
    subsystem_vendor, subsystem_device = _ids(found, path, values, "subsystem", "subsystem_vendor", "subsystem_device")
    return Selector(
        address=_text(found, f"{path}.address", values.get("address"), full_address, "an address: '0000:41:00.0'"),
        slot=_text(found, f"{path}.slot", values.get("slot"), full_slot, "an address without function: '0000:41:00'"),
        class_=class_,
        class_name=str(values.get("class")).strip().lower() if class_ else None,
        vendor=vendor,
        device=device[0] if device else None,
        subsystem_vendor=subsystem_vendor[0] if subsystem_vendor else None,
        subsystem_device=subsystem_device[0] if subsystem_device else None,
        model=_text(found, f"{path}.model", values.get("model"), _words, "words of the device's name"),
        boot_display=found.boolean(f"{path}.boot_display", values.get("boot_display")),
        driver=_text(found, f"{path}.driver", values.get("driver"), _driver, "the name of a driver"),
    )


def _ids(
    found: Variables, path: str, values: Mapping[str, Any], pair: str, first: str, second: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Return two ids that may be written as one: `id: 10de:2684`."""
    both = _text(found, f"{path}.{pair}", values.get(pair), _pair, "two ids such as '10de:2684'")
    maker = _vendor if first == "vendor" else _one_id
    expected = "four hexadecimal digits" + (f", or {', '.join(VENDORS)}" if first == "vendor" else "")
    one = _text(found, f"{path}.{first}", values.get(first), maker, expected)
    other = _text(found, f"{path}.{second}", values.get(second), _one_id, "four hexadecimal digits")
    if both is None:
        return one, other
    if one is not None or other is not None:
        found.say(f"{path}.{pair}", values[pair], f"either {pair}, or {first} and {second}", "Leave one of them out.")
    return (both[0],), (both[1],)


def _text(found: Variables, path: str, raw: Any, read: Callable[[str], Any], expected: str) -> Any:
    """Return what a reader makes of a text.

    Numbers are refused rather than guessed at: YAML reads 0x1f86 as 8070 and 0000:41:00.0 as 2460.0, a time of day.
    """
    if raw is None:
        return None
    value = read(raw.strip().lower()) if isinstance(raw, str) else None
    if value is None:
        is_number = not isinstance(raw, bool) and isinstance(raw, (int, float))
        is_number = is_number or (isinstance(raw, str) and re.fullmatch(r"[0-9]+\.0", raw) is not None)
        found.say(path, raw, expected, _QUOTE if is_number else "Write it so.")
    return value


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
