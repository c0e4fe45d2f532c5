# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel command lines as the boot chain holds them, and what is to become of them."""

from __future__ import annotations

from typing import NamedTuple

#: An entry that must carry our arguments; ours that must carry none; any other, which is none of our business.
NORMAL, FALLBACK, OTHER = "normal", "fallback", "other"


class Source(NamedTuple):
    """A line of a configuration file from which the entries of kernels get arguments."""

    path: str
    line: int  # counted from 1
    name: str  # of the variable or key; "" where the whole line is the command line
    text: str  # the arguments in it, as the kernel would get them
    ours: bool  # whether our arguments are to stand in this line; else they are in a file of our own
    is_there: bool = True  # else the text is what the file would have to say for things to be as they are


class EntryLine(NamedTuple):
    """The command line of one boot entry."""

    id: str  # by which the boot loader knows it
    title: str
    version: str | None  # of the kernel, as `uname -r` says
    path: str  # of the file that holds it
    line: int | None  # in that file, counted from 1; None in a binary
    role: str
    text: str  # the arguments, as the kernel would get them


class LineChange(NamedTuple):
    """A command line before and after. Of an entry that a tool writes it is the prediction."""

    path: str
    line: int | None
    name: str  # the source's name, or the entry's identifier
    before: str
    after: str  # empty where a file that we made is to go


class Change(NamedTuple):
    """What a boot loader is asked to bring about.

    A unit is one argument, or several that mean something only together and in order: `hugepagesz=1G hugepages=8`.
    """

    old: tuple[str, ...]  # units of ours that may stand in any line now; some may be among the new
    new: tuple[str, ...]  # units of ours that shall stand in each, in this order, after all others
    fallback: bool  # whether an entry without our units shall be there for every kernel
    sources: tuple[LineChange, ...]  # only those that change
    entries: tuple[LineChange, ...]  # only those that change


class Replaced(NamedTuple):
    """An argument of somebody else's that stands back while ours is wanted."""

    path: str
    name: str  # as in LineChange
    argument: str
    unit: str  # ours, which it contradicts
    before: str  # the arguments of the line without ours, with it
    after: str  # and without it


class Shared(NamedTuple):
    """A unit that we want and that one line has from somebody else: it is theirs there, and stays when ours go."""

    path: str
    name: str  # as in LineChange
    unit: str


class Created(NamedTuple):
    """A file of configuration that is there because of us, and goes with our arguments if nobody changed it."""

    path: str
    text: str  # without ours


class CmdlineRecord(NamedTuple):
    """What we did to the command lines of a machine; kept in RECORD_FILE."""

    owners: dict[str, tuple[str, ...]]  # the units that each owner wants, owners in the order of their coming
    provided: tuple[str, ...]  # the units that may stand in lines because of us
    shared: tuple[Shared, ...]
    replaced: tuple[Replaced, ...]
    created: tuple[Created, ...]


#: Lines read in and written back by whoever comes next: it says whose the arguments are.
RECORD_FILE = "/etc/vfio-workstation/kernel-cmdline.json"
