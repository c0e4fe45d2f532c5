# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A boot entry as its file defines it, whatever the boot loader."""

from __future__ import annotations

import re
from typing import NamedTuple

NORMAL, SIMPLE, RECOVERY, FOREIGN = "normal", "simple", "recovery", "foreign"
_RANKS = {NORMAL: 0, SIMPLE: 1, RECOVERY: 2}

_RECOVERY_NAME = re.compile(r"recovery|rescue|fallback|failsafe|snapshot", re.IGNORECASE)
# From init(1) and systemd(1); `recovery` is an argument of Ubuntu's friendly-recovery.
_RECOVERY_ARGUMENT = re.compile(
    r"(?:^|\s)(?:single|S|1|recovery|rescue|emergency|systemd\.unit=(?:rescue|emergency)\.target)(?=\s|$)"
)


class Entry(NamedTuple):
    """One entry of a boot loader's menu."""

    id: str  # the boot loader's identifier of it
    title: str
    version: str | None  # as the entry has it; None where only the image's name or content has a version
    linux: str | None  # path of the kernel image, as the boot loader sees it
    initrds: tuple[str, ...]
    cmdline: str
    file: str  # path on this machine of the file that defines the entry
    parents: tuple[str, ...] = ()  # identifiers of the enclosing submenus, the outermost first
    line: int | None = None  # of the command line in that file; None if the entry has no line for it alone
    script: str | None = None  # of /etc/grub.d, that wrote the entry; "" for none; None if grub.cfg has no markers

    @property
    def role(self) -> str:
        """NORMAL, SIMPLE (the default entry, which follows the newest kernel), RECOVERY, or FOREIGN (other systems)."""
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
        """Sort key of the entries of one kernel: the entry that usually boots it comes first."""
        return _RANKS.get(self.role, len(_RANKS))
