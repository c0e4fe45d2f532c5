# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A boot entry as its file tells it, whatever the boot loader."""

from __future__ import annotations

import re
from typing import NamedTuple

NORMAL, SIMPLE, RECOVERY, FOREIGN = "normal", "simple", "recovery", "foreign"
_RANKS = {NORMAL: 0, SIMPLE: 1, RECOVERY: 2}

_RECOVERY_NAME = re.compile(r"recovery|rescue|fallback|failsafe|snapshot", re.IGNORECASE)
# init(1) and systemd(1) name these; recovery is friendly-recovery's, of Ubuntu.
_RECOVERY_ARGUMENT = re.compile(
    r"(?:^|\s)(?:single|S|1|recovery|rescue|emergency|systemd\.unit=(?:rescue|emergency)\.target)(?=\s|$)"
)


class Entry(NamedTuple):
    """One entry of a boot loader's menu."""

    id: str  # by which the boot loader knows it
    title: str
    version: str | None  # as the entry says; None where only the image's name or content tells
    linux: str | None  # the image's path as the boot loader sees it
    initrds: tuple[str, ...]
    cmdline: str
    file: str  # the file on this machine that holds the entry
    parents: tuple[str, ...] = ()  # identifiers of the submenus around it
    line: int | None = None  # of the command line in that file, where it has a line of its own
    script: str | None = None  # of /etc/grub.d, that wrote the entry into a grub.cfg which says so; "" for none of them

    @property
    def role(self) -> str:
        """NORMAL, SIMPLE (the default that follows the newest kernel), RECOVERY, or FOREIGN (another system's)."""
        if self.id.startswith("osprober-"):  # grub.d/30_os-prober
            return FOREIGN
        if self.id.startswith("gnulinux-simple"):
            return SIMPLE
        files = [path.rpartition("/")[2] for path in (self.linux or "", *self.initrds)]
        if any(_RECOVERY_NAME.search(name) for name in (self.id, self.title, *self.parents, *files)):
            return RECOVERY
        return RECOVERY if _RECOVERY_ARGUMENT.search(self.cmdline) else NORMAL

    @property
    def rank(self) -> int:
        """The lower, the more this is the entry that boots its kernel every day."""
        return _RANKS.get(self.role, len(_RANKS))
