# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading variables that people write, with every mistake told by the variable's path."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .notation import parse_size

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_LONGEST = 80


class Variables:
    """Readers that note what is wrong and go on. Each returns None for null, that is `not given`, and for mistakes."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.mistakes: list[str] = []

    def say(self, path: str, found: Any, expected: str, remedy: str) -> None:
        """Note a mistake."""
        shown = repr(found)
        if len(shown) > _LONGEST:
            shown = shown[: _LONGEST - 3] + "..."
        self.mistakes.append(f"{self._prefix}{path}: found {shown}, expected {expected}. {remedy}")

    def missing(self, path: str, raw: Any, expected: str) -> None:
        """Note that something is missing; a value of a wrong kind was told of where it was read."""
        if raw is None:
            self.say(path, None, expected, "Add it.")

    def mapping(self, path: str, raw: Any, keys: Sequence[str]) -> Mapping[str, Any] | None:
        """Return a mapping that has none but these keys."""
        if raw is None:
            return None
        if not isinstance(raw, Mapping):
            self.say(path or "variables", raw, f"a mapping of {', '.join(keys)}", "Write it as `key: value`.")
            return None
        for key in raw:
            if key not in keys:
                expected = f"one of the keys {', '.join(keys)}"
                self.say(
                    f"{path}.{key}".lstrip("."), raw[key], expected, "Look for a slip of the pen, or leave it out."
                )
        return raw

    def items(self, path: str, raw: Any) -> list[tuple[str, Any]] | None:
        """Return the items of a list, each with its path."""
        if raw is None:
            return None
        if not isinstance(raw, (list, tuple)):
            self.say(path, raw, "a list", "Put a dash before each item.")
            return []
        return [(f"{path}[{index}]", item) for index, item in enumerate(raw)]

    def choice(self, path: str, raw: Any, choices: Sequence[str]) -> str | None:
        """Return one of some words."""
        if raw is None or (isinstance(raw, str) and raw in choices):
            return raw
        self.say(path, raw, f"one of {', '.join(choices)}", "Write one of them, or leave it out.")
        return None

    def boolean(self, path: str, raw: Any) -> bool | None:
        """Return true or false, also written as a word, as values given on a command line are."""
        if raw is None or isinstance(raw, bool):
            return raw
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word in _YES or word in _NO:
            return word in _YES
        self.say(path, raw, "true or false", "Write one of them.")
        return None

    def number(self, path: str, raw: Any, least: int) -> int | None:
        """Return a whole number that is not less than another."""
        if raw is None:
            return None
        if isinstance(raw, str) and raw.isascii() and raw.isdigit() and len(raw) < 10:
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int) or raw < least:
            self.say(path, raw, f"a whole number, {least} or more", "Write such a number.")
            return None
        return raw

    def size(self, path: str, raw: Any) -> int | None:
        """Return the bytes of a size."""
        if raw is None:
            return None
        size = parse_size(raw) if isinstance(raw, str) else None
        if size is None:
            self.say(path, raw, "a size with its unit, such as 2M, 1G or 16GiB", "Write number and unit.")
        return size
