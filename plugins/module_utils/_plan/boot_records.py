# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of a boot, and what the check at boot found, as the text of JSON files.

A damaged file counts as none: the next check writes it again.
"""

from __future__ import annotations

import json
from typing import Any

from .._machine import to_json
from .._machine.boot_facts import BootCheck, BootFacts, Change, FunctionFacts
from .record_text import record_values

_FORMAT = 1
_ABOUT_FACTS = "The last boot at which everything requested from the Ansible collection vfio.workstation was active."
_ABOUT_CHECK = "What vfio-workstation verify found at the last boot."
_UNUSABLE = (AttributeError, KeyError, TypeError, ValueError)


def render_facts(facts: BootFacts) -> str:
    """Return the text of facts."""
    return _rendered(_ABOUT_FACTS, facts)


def parse_facts(text: str | None) -> BootFacts | None:
    """Return the facts that a file's text contains; None where there is no file, or the text is damaged."""
    try:
        raw = record_values(text or "", _FORMAT)
        return BootFacts(
            boot_id=_text(raw["boot_id"]),
            time=_text(raw["time"]),
            firmware=_text(raw["firmware"]),
            kernel=_text(raw["kernel"]),
            cmdline=None if raw["cmdline"] is None else tuple(map(_word, _list(raw["cmdline"]))),
            virtualization=_text(raw["virtualization"]),
            iommu=_text(raw["iommu"]),
            interrupt_remapping=None if raw["interrupt_remapping"] is None else _truth(raw["interrupt_remapping"]),
            functions={_word(address): _function(values) for address, values in raw["functions"].items()},
        )
    except _UNUSABLE:
        return None


def render_check(check: BootCheck) -> str:
    """Return the text of a check."""
    return _rendered(_ABOUT_CHECK, check)


def parse_check(text: str | None) -> BootCheck | None:
    """Return the check that a file's text contains; None where there is no file, or the text is damaged."""
    try:
        raw = record_values(text or "", _FORMAT)
        return BootCheck(
            time=_word(raw["time"]),
            boot_id=_text(raw["boot_id"]),
            verdict=_word(raw["verdict"]),
            active=_truth(raw["active"]),
            reason=_word(raw["reason"]),
            changes=tuple(Change(_word(item["kind"]), _word(item["text"])) for item in _list(raw["changes"])),
            good_boot=_text(raw["good_boot"]),
        )
    except _UNUSABLE:
        return None


def _rendered(about: str, value: Any) -> str:
    return json.dumps({"about": about, "format": _FORMAT, **to_json(value)}, indent=2) + "\n"


def _function(values: Any) -> FunctionFacts:
    return FunctionFacts(_word(values["identity"]), _text(values["group"]), _text(values["driver"]))


def _text(value: Any) -> str | None:
    return None if value is None else _word(value)


def _word(value: Any) -> str:
    return str(_checked(value, str))


def _truth(value: Any) -> bool:
    return bool(_checked(value, bool))


def _list(value: Any) -> list[Any]:
    items: list[Any] = _checked(value, list)
    return items


def _checked(value: Any, type_: type) -> Any:
    if not isinstance(value, type_):
        raise TypeError(f"found {value!r}, expected {type_.__name__}")
    return value
