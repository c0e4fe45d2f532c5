# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all records have in common: the text of a JSON file that names its format."""

from __future__ import annotations

import json
from typing import Any


class DamagedRecord(ValueError):
    """A file's text is not a valid record; the message says why."""


def record_values(text: str, expected_format: int) -> dict[str, Any]:
    """Return the values in a record's text.

    Raises:
        DamagedRecord: The text is not JSON, or of another format.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedRecord(f"it is not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != expected_format:
        raise DamagedRecord(f'it has no "format": {expected_format}')
    return values
