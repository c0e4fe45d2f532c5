# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of module_utils/_machine from the JSON that modules return, for rules that run on the controller."""

from __future__ import annotations

import collections.abc
import functools
import types
import typing as t

_Value = t.TypeVar("_Value")


def from_json(cls: type[_Value], document: t.Mapping[str, t.Any]) -> _Value:
    """Return a named tuple from the dict that to_json() made of it.

    Args:
        cls: The class, whose fields are named tuples, tuples of any length, mappings or scalars.
        document: The dict; keys that are not fields are ignored.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: The document is not what to_json() makes of such a value.
    """
    value: _Value = _decoded(cls, document)
    return value


def _decoded(hint: t.Any, value: t.Any) -> t.Any:
    origin, arguments = t.get_origin(hint), t.get_args(hint)
    if origin in (t.Union, types.UnionType):
        (hint,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _decoded(hint, value)
    if origin is tuple:
        return tuple(_decoded(arguments[0], item) for item in _of(list, value))
    if origin is collections.abc.Mapping:
        return {_of(str, key): _decoded(arguments[1], item) for key, item in value.items()}
    fields = getattr(hint, "_fields", None)
    if fields is None:
        return _of(hint, value)
    hints = _hints(hint)
    return hint(**{name: _decoded(hints[name], value[name.rstrip("_")]) for name in fields})


@functools.cache
def _hints(cls: t.Any) -> dict[str, t.Any]:
    return t.get_type_hints(cls)


def _of(cls: t.Any, value: t.Any) -> t.Any:
    """Return a value that is of a class; True and False are no numbers, and an int is a float."""
    classes: tuple[type, ...] = {list: (list, tuple), float: (float, int)}.get(cls, (cls,))
    if not isinstance(value, classes) or (isinstance(value, bool) and cls is not bool):
        raise ValueError(f"found {value!r:.80}, expected {cls.__name__}")
    return value
