# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what earlier runs decided, as the text of a JSON file."""

from __future__ import annotations

import json
from typing import Any

from .._machine import to_json
from .._machine.desired import Selector
from .._machine.host_plan import HostRecord, Identity, RecordedDevice
from .record_text import DamagedRecord, record_values

_FORMAT = 1
_ABOUT = "What the Ansible collection vfio.workstation selected on this machine: it finds devices again by this."
_TEXT_LISTS = ("class_", "vendor", "model")  # fields of Selector


def render_host_record(record: HostRecord) -> str:
    """Return the text of a record."""
    return json.dumps({"about": _ABOUT, "format": _FORMAT, **to_json(record)}, indent=2) + "\n"


def parse_host_record(text: str | None) -> HostRecord:
    """Return the record that a file's text contains; an empty record where there is no file.

    Raises:
        DamagedRecord: The text is no record.
    """
    if text is None:
        return HostRecord()
    raw = record_values(text, _FORMAT)
    try:
        return HostRecord(
            devices=tuple(_device(item) for item in _list(raw["devices"])),
            bound=tuple(_text(item) for item in _list(raw["bound"])),
            cpus=tuple(_number(item) for item in _list(raw["cpus"])),
            set_aside=_number(raw.get("set_aside", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedRecord(f"a value is missing or has the wrong type: {error}") from error


def _device(raw: Any) -> RecordedDevice:
    return RecordedDevice(
        name=_text(raw["name"]),
        position=_number(raw["position"]),
        select=_selector(raw["select"]),
        functions=tuple(_function(item) for item in _list(raw["functions"])),
        twins=tuple(_function(item) for item in _list(raw["twins"])),
        companions=tuple(_function(item) for item in _list(raw["companions"])),
        removable=_checked(raw["removable"], bool),
    )


def _selector(raw: Any) -> Selector:
    values: dict[str, Any] = {}
    for name in Selector._fields:
        value = raw[name.rstrip("_")]
        if value is None:
            values[name] = None
        elif name in _TEXT_LISTS:
            values[name] = tuple(_text(item) for item in _list(value))
        elif name == "boot_display":
            values[name] = _checked(value, bool)
        else:
            values[name] = _text(value)
    return Selector(**values)


def _function(raw: Any) -> tuple[str, Identity]:
    address, identity = _list(raw)
    values = [identity[name.rstrip("_")] for name in Identity._fields]
    return _text(address), Identity(*(None if value is None else _text(value) for value in values))


def _list(value: Any) -> list[Any]:
    items: list[Any] = _checked(value, list)
    return items


def _text(value: Any) -> str:
    return str(_checked(value, str))


def _number(value: Any) -> int:
    return int(_checked(value, int))


def _checked(value: Any, type_: type) -> Any:
    if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
        raise TypeError(f"found {value!r}, expected {type_.__name__}")
    return value
