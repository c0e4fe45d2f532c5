# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial log: what the firmware, the boot loader and the kernel said, and which of it means that a boot is over."""

from __future__ import annotations

import pathlib
import re

# What a kernel, an initramfs or a boot loader says when nothing will follow. Matched at the start of a line, after the
# kernel's time stamp if there is one, so that a mention of the words elsewhere is not an end.
_STAMP = r"^(?:\[ *\d+\.\d+\] )?"
FATAL = re.compile(
    _STAMP + r"(Kernel panic - not syncing.*"
    r"|ALERT!  .* does not exist.*"
    r"|\(initramfs\) .*"
    r"|grub rescue>.*"
    r"|error: .*not found.*"
    r"|You are in (?:emergency|rescue) mode.*"
    r"|BdsDxe: No bootable option.*"
    r"|No bootable device.*)",
    re.MULTILINE,
)

# A kernel that goes on after one of these is still not a sound one.
FAULT = re.compile(
    _STAMP + r"(Oops: .*|BUG: .*|int3: .*|general protection fault.*|watchdog: BUG: .*|WARNING: CPU: .*"
    r"|Kernel panic - not syncing.*)",
    re.MULTILINE,
)

# Terminal control sequences of firmware and boot loader.
_CONTROL = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b-\x1f\x7f]")


class SerialLog:
    """A file that QEMU appends to; a mark says where the present boot begins."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._mark = 0

    def mark(self) -> None:
        """From here on it is another boot."""
        self._mark = self.path.stat().st_size if self.path.exists() else 0

    def text(self, whole: bool = False) -> str:
        """What was said since the mark, or ever, without terminal control sequences."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(0 if whole else self._mark)
            raw = file.read()
        return _CONTROL.sub("", raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n"))

    def tail(self, lines: int = 40) -> str:
        """The last lines, across boots."""
        kept = [line for line in self.text(whole=True).splitlines() if line.strip()]
        return "\n".join(kept[-lines:])

    def fatal(self) -> str | None:
        """Why the present boot will never get anywhere, if it has said so."""
        found = FATAL.search(self.text())
        return found.group(1) if found else None

    def faults(self) -> list[str]:
        """Every sign of an unsound kernel in the present boot."""
        return [match.group(1) for match in FAULT.finditer(self.text())]
