# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML pages from templates. Everything from a host is text: it is escaped, and has no control characters."""

from __future__ import annotations

import base64
import functools
import hashlib
import typing as t
import unicodedata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
#: Cc and Cf can't be seen and change what is around them (U+202E reverses it); Cs can't be written as UTF-8.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: Characters of a text that a host gave.
_LONGEST = 600


def render(template: str, **values: t.Any) -> str:
    """Return a page.

    Args:
        template: Its name in templates.
        values: The values of its variables.
    """
    return _environment().get_template(template).render(**values)


def printable(value: t.Any) -> t.Any:
    """Return a value as it is printed: without characters that can't be seen, and not longer than a few lines."""
    if value is None:
        return ""
    if isinstance(value, (int, Markup)):
        return value
    text = str(value)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 3] + "..."
    if text.isprintable():
        return text
    return "".join(character if _is_visible(character) else _REPLACEMENT for character in text)


def _is_visible(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in _INVISIBLE


def shortened(value: t.Any, length: int = 60) -> str:
    """Return a text of at most so many characters."""
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shortened"] = shortened
    for name in ("style.css", "fleet.js"):
        text = (_TEMPLATES / name).read_text(encoding="utf-8")
        key = name.replace(".", "_")
        environment.globals[key] = Markup(text)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        environment.globals[f"{key}_hash"] = f"sha256-{digest}"
    return environment
