# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of every owner's request, as the text of its file."""

from __future__ import annotations

import json
from typing import Any

from ...._machine.initramfs import File, InitramfsRecord, InitramfsRequest
from .decide import request_problems

_FORMAT = 1


def record_text(record: InitramfsRecord) -> str:
    """Return the text of a record."""
    owners = {
        owner: {
            "files": [file._asdict() for file in request.files],
            "modules": list(request.modules),
            **({"revision": request.revision} if request.revision else {}),
        }
        for owner, request in sorted(record.owners.items())
    }
    return json.dumps({"format": _FORMAT, "owners": owners}, indent=2, sort_keys=True) + "\n"


def parse_record(text: str) -> InitramfsRecord | None:
    """Return the record that a text holds, or None if it is not a valid record."""
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT:
            return None
        return InitramfsRecord({_text(owner): _request(value) for owner, value in content["owners"].items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _request(value: Any) -> InitramfsRequest:
    files = tuple(File(_text(file["path"]), _text(file["content"]), _number(file["mode"])) for file in value["files"])
    modules = tuple(_text(name) for name in value["modules"])
    request = InitramfsRequest(files, modules, _number(value.get("revision", 0)))
    problems = request_problems(request)
    if problems:
        raise ValueError(problems)
    return request


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(value)
    return value
