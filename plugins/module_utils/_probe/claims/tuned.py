# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel arguments of TuneD, and the profile that they come from.

Its plugin bootloader writes them to /etc/tuned/bootcmdline, which /etc/grub.d/00_tuned makes a variable of grub.cfg,
and with boot loader specification entries into grubenv; each entry has `$tuned_params`. Source:
tuned/plugins/plugin_bootloader.py.
"""

from __future__ import annotations

import re
from typing import Iterator

from ..._machine.cmdline import Argument, parse
from ..boot import grub_defaults
from ..tree import Tree
from .files import Line, content, lines

BOOT_CMDLINE = "/etc/tuned/bootcmdline"
_VARIABLE = "TUNED_BOOT_CMDLINE"
_ACTIVE = "/etc/tuned/active_profile"
#: Where a profile can be: releases from 2.23 on have the first and the third too.
_PROFILES = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
_MAX_PROFILES = 16
_OPTION = re.compile(r"([a-z0-9_]+)\s*=\s*(.*)")


class Tuned:
    """The configuration of TuneD on a host.

    Args:
        tree: The host.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._profiles = (tree.text(_ACTIVE) or "").split()

    def boot_cmdline(self) -> Iterator[tuple[int, str, str]]:
        """Yield the line, the variable and the text of what TuneD adds to new entries."""
        text = content(self._tree, BOOT_CMDLINE)
        for assignment in grub_defaults.assignments(text or ""):
            if assignment.name == _VARIABLE:
                yield assignment.line, _VARIABLE, assignment.text

    def origin(self, variable: str, argument: Argument) -> str:
        """Return a description of where an argument in a variable of TuneD comes from."""
        origin = f"{variable}, written by TuneD"
        if not self._profiles:
            return origin
        origin += f" for its profile {' '.join(self._profiles)}"
        place = next((place for name in reversed(self._profiles) for place in self._places(name, argument)), None)
        return f"{origin} ({place})" if place else origin

    def _places(self, profile: str, argument: Argument) -> Iterator[str]:
        """Yield the lines of a profile, and of the profiles that it includes, that set an argument of this name."""
        pending = [profile]
        read: set[str] = set()
        while pending and len(read) < _MAX_PROFILES:
            name = pending.pop(0)
            if name in read or "/" in name or name.startswith("."):
                continue
            read.add(name)
            path, text = self._file(name)
            section = ""
            for line in lines(text, continued=False):
                section = line.text.strip("[] ") if line.text.startswith("[") else section
                option = _OPTION.match(line.text)
                if option is None:
                    continue
                if section == "main" and option.group(1) == "include":
                    pending.extend(re.split(r"[\s,;]+", option.group(2)))
                elif section == "bootloader" and option.group(1).startswith("cmdline") and _sets(line, argument):
                    yield f"{path}, line {line.number}"

    def _file(self, profile: str) -> tuple[str, str]:
        for folder in _PROFILES:
            path = f"{folder}/{profile}/tuned.conf"
            text = content(self._tree, path)
            if text is not None:
                return path, text
        return "", ""


def _sets(line: Line, argument: Argument) -> bool:
    """Return whether an option `cmdline...=+word word` has an argument of this name; its value may be computed."""
    value = line.text.partition("=")[2].strip().lstrip("+-")
    return any(setting.name == argument.name for setting in parse(value).arguments)
