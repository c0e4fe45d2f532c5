# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read options as a user wrote them, and collect all mistakes with the names that the user knows."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, Mapping

from .nearest import nearest
from .notation import parse_size
from .request_spec import HOST, Option

#: As YAML 1.1 and Ansible read them; values given on a command line are words.
_TRUE, _FALSE = ("true", "yes", "on", "y", "t", "1"), ("false", "no", "off", "n", "f", "0")
_LONGEST_VALUE = 80
_WHOLE = re.compile(r"([0-9]{1,9})(?:[.]0+)?", re.ASCII)
_FRACTION = re.compile(r"[0-9]{1,9}(?:[.][0-9]{1,9})?", re.ASCII)
_START = re.compile(r"(\w+)(?:\[([0-9]+)\])?")
_ORDER = {name: position for position, name in enumerate(HOST)}


class InputReader:
    """Readers of values that note mistakes and continue, with a valid value in place of a mistaken one.

    Args:
        names: The variables that a caller filled options from, by the paths of these options: `devices` ->
            `workstation_devices`. Mistakes name the variables.
    """

    def __init__(self, names: Mapping[str, str] = MappingProxyType({})) -> None:
        self._names = names
        self._mistakes: list[tuple[str, str]] = []  # path and text

    @property
    def mistakes(self) -> list[str]:
        """The mistakes in the order of the options, unknown options first."""
        ordered = sorted(self._mistakes, key=lambda mistake: _position(mistake[0]))
        return [f"{self._name_of(path)}: {text}" for path, text in ordered]

    def report(self, path: str, value: Any, expected: str, remedy: str) -> None:
        """Note a mistake: what was found, what was expected, what to do."""
        self._mistakes.append((path, f"found {_shown(value)}, expected {expected}. {remedy}".rstrip()))

    def report_sentence(self, path: str, sentence: str) -> None:
        """Note a mistake that is not in a single value."""
        self._mistakes.append((path, sentence))

    def _name_of(self, path: str) -> str:
        """Return the path as the user knows it, from the variable that filled the option on."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._names and path[end : end + 1] in ("", ".", "["):
                return self._names[path[:end]] + path[end:]
        return path

    def read(self, path: str, value: Any, option: Option) -> Any:
        """Return a value with the defaults of its specification filled in.

        Args:
            path: The path of the option: `devices[0].select.class`.
            value: The value as the user wrote it.
            option: Its specification. Values of the types `str` and `raw` without choices are returned as they are:
                their notations are parsed elsewhere.
        """
        if value is None:
            return self._default(path, option)
        if option.type == "bool":
            return self._boolean(path, value)
        if option.type == "int":
            return self._number(path, value, option.least)
        if option.type == "float":
            return self._fraction(path, value)
        if option.type == "dict":
            return self.mapping(path, value, option.options)
        if option.type == "list":
            return self._items(path, value, option)
        if option.choices:
            return self._choice(path, value, option)
        if option.type == "path" and not isinstance(value, str):
            self.report(path, value, "a path", "Write it as text.")
        return value

    def options(self, values: Mapping[Any, Any], options: Mapping[str, Option], path: str = "") -> dict[str, Any]:
        """Return the values of all options by their names, omitted options included."""
        start = f"{path}." if path else ""
        for key in values:
            if key not in options:
                self._report_unknown(f"{start}{key}", key, values[key], options)
        return {
            name: values[name]
            if option.nullable and name in values
            else self.read(f"{start}{name}", values.get(name), option)
            for name, option in options.items()
        }

    def mapping(self, path: str, value: Any, options: Mapping[str, Option]) -> dict[str, Any] | None:
        """Return the values of the options of a mapping; None where it is not a mapping."""
        if isinstance(value, Mapping):
            return self.options(value, options, path)
        self.report(path, value, f"a mapping of {', '.join(options)}", "Write it as `key: value`.")
        return None

    def _report_unknown(self, path: str, key: Any, value: Any, options: Mapping[str, Option]) -> None:
        meant = nearest(key, options) if isinstance(key, str) else None
        remedy = f"Did you mean {meant}?" if meant else "Check the spelling, or remove it."
        expected = f"one of the keys {', '.join(options)}"
        if any(option.no_log for option in options.values()):
            self.report_sentence(path, f"found a value that may be a secret, expected {expected}. {remedy}")
        else:
            self.report(path, value, expected, remedy)

    def _default(self, path: str, option: Option) -> Any:
        if option.required:
            self.report(path, None, option.expected, "Add it.")
        return option.default

    def _items(self, path: str, value: Any, option: Option) -> list[tuple[str, Any]]:
        """Return the items of a list, each with its path."""
        if isinstance(value, str) and option.comma_separated:
            value = [word.strip() for word in value.split(",")]
        if not isinstance(value, (list, tuple)):
            self.report(path, value, "a list", "Put a dash before each item.")
            return []
        item = Option(
            option.elements or "raw",
            required=True,
            choices=option.choices,
            options=option.options,
            expected=option.expected or "a value",
        )
        paths = [f"{path}[{index}]" for index in range(len(value))]
        return [(where, self.read(where, one, item)) for where, one in zip(paths, value)]

    def _choice(self, path: str, value: Any, option: Option) -> Any:
        if isinstance(value, str) and value in option.choices:
            return value
        self.report(path, value, f"one of {', '.join(option.choices)}", "Write one of them, or omit it.")
        return option.default

    def _boolean(self, path: str, value: Any) -> bool:
        word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
        if word not in _TRUE and word not in _FALSE:
            self.report(path, value, "true or false", "Write one of them.")
        return word in _TRUE

    def _number(self, path: str, value: Any, least: int) -> int:
        number = _whole(value)
        if number is None or number < least:
            self.report(path, value, f"a whole number, {least} or more", "Write such a number.")
            return least
        return number

    def _fraction(self, path: str, value: Any) -> float:
        """Return a number greater than 0; in its place, 1."""
        match = _FRACTION.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
        number = float(match.group()) if match is not None else 0.0
        if number <= 0:
            self.report(path, value, "a number greater than 0", "Write such a number.")
        return number or 1.0

    def size(self, path: str, value: Any) -> int | None:
        """Return the bytes of a size."""
        if value is None:
            return None
        size = parse_size(value) if isinstance(value, str) else None
        if size is None:
            self.report(path, value, "a size with its unit, such as 2M, 1G or 16GiB", "Write number and unit.")
        return size


def _whole(value: Any) -> int | None:
    """Return a whole number, also from the text or the fraction .0 that Jinja may make of it."""
    if isinstance(value, bool):
        return None
    match = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return int(match.group(1))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _position(path: str) -> tuple[int, int]:
    """Return a sort key: the position of a path's option, and the index in its list."""
    match = _START.match(path)
    name, index = match.groups() if match else ("", None)
    return _ORDER.get(name, -1), int(index or 0)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
