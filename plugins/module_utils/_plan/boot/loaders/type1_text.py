# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a boot loader specification entry of type 1, changed so that the reverse change restores every byte."""

from __future__ import annotations

import re

from ...._machine import cmdline

_OPTIONS = re.compile(
    r"^(?P<key>[ \t]*options)(?:(?P<space>[ \t]+)(?P<value>[^\r\n]*?))?(?P<end>[ \t]*\r?)$", re.MULTILINE
)
_FIELD = r"^([ \t]*%s[ \t]+)([^\r\n]*?)([ \t]*\r?)$"


def options_lines(text: str, takes_all: bool) -> list[re.Match[str]]:
    """Return the `options` lines that the boot loader reads, except those without a value.

    Args:
        text: The text of the entry.
        takes_all: Whether the boot loader joins several `options` lines; otherwise it reads the first one only.
    """
    lines = [match for match in _OPTIONS.finditer(text) if match.group("value")]
    return lines if takes_all else lines[:1]


def with_options(text: str, arguments: str, takes_all: bool = True) -> str:
    """Return an entry's text with other arguments.

    Args:
        text: The text of the entry.
        arguments: The new command line.
        takes_all: As in `options_lines`.
    """
    lines = options_lines(text, takes_all)
    if not lines:
        # Before an unterminated last line, which stays the last.
        end = "\r\n" if "\r\n" in text else "\n"
        last_line = text.rfind("\n") + 1
        return f"{text[:last_line]}options    {arguments}{end}{text[last_line:]}" if arguments else text
    *others, last = lines
    start = " ".join(match.group("value") for match in others)
    if start and not arguments.startswith(start + " ") and arguments != start:
        # Arguments on an earlier line change: the first line gets all arguments, and the others are removed.
        for match in reversed(lines[1:]):
            text = text[: match.start()] + text[match.end() + 1 :]
        return with_options(text, arguments, takes_all)
    value = arguments[len(start) :].lstrip() if start else arguments
    line = last.group("key") + last.group("space") + value + last.group("end") if value else ""
    return text[: last.start()] + line + text[last.end() + (0 if value else 1) :]


def fallback_text(text: str, arguments: str, takes_all: bool = True) -> str:
    """Return the text of a fallback entry.

    Args:
        text: The text of the normal entry of the same kernel.
        arguments: Its command line without managed arguments.
        takes_all: As in `options_lines`.
    """
    text = with_options(text, arguments, takes_all)
    text, titles = re.subn(_FIELD % "title", r"\1\2 without VFIO\3", text, count=1, flags=re.MULTILINE)
    if not titles:
        text = "title      Linux without VFIO\n" + text
    # The sort key comes first in the order of entries (UAPI.1, "Sorting"): with this one, fallback entries are the last
    # of the menu, and none becomes the default.
    return re.sub(_FIELD % "sort-key", r"\1\2-vfio-workstation-fallback\3", text, count=1, flags=re.MULTILINE)


def is_equivalent(values: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether two entries, as values by key, boot the same; comments, order and white space don't matter."""
    return _essence(values) == _essence(other)


def _essence(values: dict[str, tuple[str, ...]]) -> list[object]:
    options = " ".join(values.get("options", ()))
    return [
        *(values.get(key) for key in ("title", "version", "linux", "initrd", "sort-key")),
        cmdline.meanings(options),
    ]
