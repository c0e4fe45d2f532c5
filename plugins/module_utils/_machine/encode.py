# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serialization of values as JSON."""

from __future__ import annotations

from typing import Any


def to_json(value: Any) -> Any:
    """Return a value of this package as dicts, lists and scalars, ready for `json.dumps`.

    A trailing underscore is dropped from a field's name: `class_` becomes `class`, which is a keyword in Python.
    """
    fields = getattr(value, "_fields", None)
    if fields is not None:
        return {name.rstrip("_"): to_json(item) for name, item in zip(fields, value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return value
