# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel command lines as the boot chain stores them, and the changes to make to them.

A unit, short for argument unit, is one kernel argument, or several that have a meaning only together and in order:
`hugepagesz=1G hugepages=8`.
"""

from __future__ import annotations

from typing import NamedTuple

#: Roles of a boot entry: one that must carry the managed arguments; the "without VFIO" entry of this collection, which
#: must carry none; any other entry, which is left alone.
NORMAL, FALLBACK, OTHER = "normal", "fallback", "other"


class Source(NamedTuple):
    """A line of a configuration file from which boot entries get their arguments."""

    path: str
    line: int  # counted from 1
    name: str  # of the variable or key; "" where the whole line is the command line
    text: str  # the arguments in it, as the kernel gets them
    managed: bool  # whether managed arguments go into this line; otherwise they go into a drop-in of this collection
    exists: bool = True  # False: the file is missing; `text` is the content with which it would change nothing


class EntryLine(NamedTuple):
    """The command line of one boot entry."""

    id: str  # the boot loader's identifier
    title: str
    version: str | None  # of the kernel, as `uname -r` prints it
    path: str  # of the file that holds it
    line: int | None  # in that file, counted from 1; None in a binary
    role: str  # NORMAL, FALLBACK or OTHER
    text: str  # the arguments, as the kernel gets them


class LineChange(NamedTuple):
    """A command line before and after a change. For an entry that a tool generates, `after` is a prediction."""

    path: str
    line: int | None
    name: str  # the source's name, or the entry's identifier
    before: str
    after: str  # empty where the file is removed, because this collection created it


class Change(NamedTuple):
    """The change to make to the configuration of a boot loader."""

    old: tuple[str, ...]  # managed units that any line may have now; some may be in `new` too
    new: tuple[str, ...]  # managed units that every line must have, in this order, after all other arguments
    fallback: bool  # whether every kernel needs an entry without managed units as well
    sources: tuple[LineChange, ...]  # only those that change
    entries: tuple[LineChange, ...]  # only those that change
    trial: str | None = None  # with trial boots, the kernel whose fallback entry boots until they are confirmed


class ReplacedArgument(NamedTuple):
    """A foreign argument that is set aside while the managed unit that it contradicts is present."""

    path: str
    name: str  # as in LineChange
    argument: str
    unit: str  # the managed unit that it contradicts
    before: str  # the foreign arguments of the line, including this one
    after: str  # the foreign arguments of the line, without this one


class SharedUnit(NamedTuple):
    """A managed unit that one line has from somebody else: it stays there when the managed units are removed."""

    path: str
    name: str  # as in LineChange
    unit: str


class CreatedFile(NamedTuple):
    """A configuration file that this collection created; removed with the managed units unless somebody changed it."""

    path: str
    text: str  # without managed units


class CmdlineRecord(NamedTuple):
    """What this collection did to the command lines of a machine; stored in RECORD_FILE."""

    owners: dict[str, tuple[str, ...]]  # the units that each owner requested, the earliest owner first
    provided: tuple[str, ...]  # the units that lines may have because of this collection
    shared: tuple[SharedUnit, ...]
    replaced: tuple[ReplacedArgument, ...]
    created: tuple[CreatedFile, ...]


#: Tells later runs which arguments on a command line are managed, and for which owner.
RECORD_FILE = "/etc/vfio-workstation/kernel-cmdline.json"
