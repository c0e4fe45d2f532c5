# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of changes to command lines, as the text of its file: JSON, indented for people."""

from __future__ import annotations

import json
from typing import Any

from ..._machine.boot_config import CmdlineRecord, CreatedFile, ReplacedArgument, SharedUnit
from ..record_text import DamagedRecord, record_values

FORMAT = 1
EMPTY = CmdlineRecord({}, (), (), (), ())


def parse(text: str | None) -> CmdlineRecord:
    """Return the record in a file's text; the empty record if text is None, as there is no file.

    Raises:
        DamagedRecord: The text is not a valid record.
    """
    if text is None:
        return EMPTY
    raw = record_values(text, FORMAT)
    try:
        owners = {str(owner): _strings(units) for owner, units in raw["owners"].items()}
        shared = tuple(SharedUnit(*_fields(item, SharedUnit._fields)) for item in raw["shared"])
        replaced = tuple(ReplacedArgument(*_fields(item, ReplacedArgument._fields)) for item in raw["replaced"])
        created = tuple(CreatedFile(*_fields(item, CreatedFile._fields)) for item in raw["created"])
        return CmdlineRecord(owners, _strings(raw["provided"]), shared, replaced, created)
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedRecord(f"a key is missing or has a value of the wrong type: {error}") from error


def render(record: CmdlineRecord) -> str:
    """Return the file's text for a record."""
    content = {
        "about": "Kernel arguments managed by the Ansible collection vfio.workstation; it needs this to remove them.",
        "format": FORMAT,
        "owners": {owner: list(units) for owner, units in record.owners.items()},
        "provided": list(record.provided),
        "shared": [item._asdict() for item in record.shared],
        "replaced": [item._asdict() for item in record.replaced],
        "created": [item._asdict() for item in record.created],
    }
    return json.dumps(content, indent=2) + "\n"


def parse_retired(text: str | None) -> tuple[str, ...]:
    """Return the units that were removed since the running kernel was started; none if the text is not valid."""
    try:
        return _strings(json.loads(text or "[]"))
    except (TypeError, ValueError):
        return ()


def render_retired(units: tuple[str, ...]) -> str:
    """Return the file's text for a list of retired units."""
    return json.dumps(list(units)) + "\n"


def _fields(item: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_string(item[name]) for name in names)


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {value!r}")
    return tuple(_string(item) for item in value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string was expected, not {value!r}")
    return value
