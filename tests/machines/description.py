# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the descriptions: one YAML file per machine, in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all described machines."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def load(name: str) -> dict[str, Any]:
    """Return a description merged into its base (`like`): mappings are merged, null removes, other values replace."""
    described: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    base = described.pop("like", None)
    if base is None:
        return described
    below = load(base)
    expected = {**below.pop("expect"), **described.pop("expect", {})}  # in expectations, null is a value
    return {**_merged(below, described), "expect": expected}


def load_but(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a description with changes merged into it, as a description is merged into its base."""
    return _merged(load(name), changes)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result
