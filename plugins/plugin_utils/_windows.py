# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The times at which hosts may be rebooted, as in `sat,sun 01:00-05:00 Europe/Berlin`. Pure."""

from __future__ import annotations

import datetime
import re
import typing as t

import zoneinfo

VARIABLE = "workstation_reboot_window"
EXPECTED = "a time such as 22:00-05:00, with days before it and a time zone after it if needed"
REMEDY = "Write it as in 'mon-fri 22:00-05:00' or 'sat,sun 01:00-05:00 Europe/Berlin'."

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[a-z][a-z,-]*)\s+)?(?P<begin>\d\d:\d\d)\s*-\s*(?P<end>\d\d:\d\d)(?:\s+(?P<zone>[A-Za-z][\w/+-]*))?",
    re.ASCII,
)
_DAY = 24 * 60  # minutes


class Window(t.NamedTuple):
    """A time of the day on some days of the week. One that ends before it begins ends on the next day."""

    days: frozenset[int]  # 0 is Monday
    begin: int  # minutes after midnight
    end: int
    zone: zoneinfo.ZoneInfo | None  # None: that of the controller

    def is_open(self, now: datetime.datetime) -> bool:
        """Return whether the time is in the window.

        Args:
            now: The time, with a time zone.
        """
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        length = (self.end - self.begin) % _DAY or _DAY
        # The window may have begun on the day before.
        return any(
            (local.weekday() - days_ago) % 7 in self.days and 0 <= minute + days_ago * _DAY - self.begin < length
            for days_ago in (0, 1)
        )


def texts_of(value: t.Any) -> list[str]:
    """Return the windows of a variable as they were written: one, a list, or none."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]


def parse_window(text: str) -> Window | None:
    """Return a window; None if the text is not understood."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        return None
    days = _parse_days(match["days"])
    begin, end = (_minutes(match[name]) for name in ("begin", "end"))
    if days is None or begin is None or end is None:
        return None
    try:
        zone = zoneinfo.ZoneInfo(match["zone"]) if match["zone"] else None
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return None
    return Window(days, begin, end, zone)


def window_mistakes(value: t.Any, variable: str = VARIABLE) -> list[str]:
    """Return the mistakes in a variable.

    Args:
        value: The value of the variable.
        variable: Its name, for mistakes.
    """
    return [
        f"{variable}: found {text!r:.80}, expected {EXPECTED}. {REMEDY}"
        for text in texts_of(value)
        if parse_window(text) is None
    ]


def closed_text(value: t.Any, now: datetime.datetime) -> str:
    """Return why a host is not rebooted now; an empty string if it may be.

    Args:
        value: The value of the variable. Without a window, hosts may be rebooted at any time.
        now: The time, with a time zone.
    """
    texts = texts_of(value)
    windows = [parse_window(text) for text in texts]
    if not texts or any(window is not None and window.is_open(now) for window in windows):
        return ""
    return f"outside of its maintenance window ({VARIABLE}: {'; '.join(texts)})"


def _parse_days(text: str | None) -> frozenset[int] | None:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = (first, last) if dash else (first, first)
        if any(name not in _DAYS for name in ends):
            return None
        begin, end = (_DAYS.index(name) for name in ends)
        # From Friday to Monday passes the end of the week.
        days.update((begin + offset) % 7 for offset in range((end - begin) % 7 + 1))
    return frozenset(days)


def _minutes(text: str) -> int | None:
    hours, minutes = (int(part) for part in text.split(":"))
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None
