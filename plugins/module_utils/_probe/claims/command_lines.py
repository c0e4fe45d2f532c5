# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims on kernel command lines: of the running kernel, of boot entries, and of what entries are generated from."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

from ..._machine.claims import NEW_ENTRIES, RUNNING, Claim
from ..._machine.cmdline import Argument, parse
from ..boot import grub, grub_defaults
from ..boot.entry import FOREIGN, Entry
from ..tree import Tree
from .arguments import LAST_COUNTS, meaning_of
from .files import content, in_folder, lines
from .functions import Functions
from .managed import ManagedArguments
from .meaning import Meaning
from .tuned import BOOT_CMDLINE, Tuned

_RUNNING_FILE = "/proc/cmdline"
_GRUB_DEFAULTS = "/etc/default/grub"
_GRUB_DROP_INS = "/etc/default/grub.d"
_GRUB_VARIABLE = re.compile(r"GRUB_CMDLINE_[A-Z_]+")
#: Files whose lines are arguments; of each group the first that exists counts: kernel-install(8), ukify(1) and
#: mkinitcpio(8), the firmware of a Raspberry Pi.
_PLAIN = (
    ("/etc/kernel/cmdline", "/run/kernel/cmdline", "/usr/local/lib/kernel/cmdline", "/usr/lib/kernel/cmdline"),
    ("/boot/firmware/cmdline.txt", "/boot/cmdline.txt"),
)
_PLAIN_FOLDERS = ("/etc/cmdline.d", "/etc/kernel/cmdline.d")
#: Configuration of boot loaders, and of tools that write it: arguments among other words.
_MIXED = (
    "/etc/kernelstub/configuration",
    "/etc/default/limine",
    "/etc/default/u-boot",
    "/boot/limine.conf",
    "/boot/limine/limine.conf",
    "/boot/refind_linux.conf",
    "/boot/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
)
_WORD = re.compile(r"""[^\s"'\[\],{}]+(?:,[^\s"'\[\],{}]+)*""")
_SET = re.compile(r"\s*set\s+([A-Za-z0-9_]+)=")
#: More different command lines than any menu has.
_MAX_ENTRIES = 256


class _Source(NamedTuple):
    """Arguments, and the place where they are written."""

    path: str
    line: int | None
    text: str
    origin: str | None = None
    applies_to: str = NEW_ENTRIES


class _Claiming(NamedTuple):
    """An argument that is a claim."""

    argument: Argument
    meaning: Meaning
    counts: bool  # False for all but the last occurrence of a parameter of which the last counts


def read_command_lines(tree: Tree, functions: Functions, entries: Sequence[Entry]) -> Iterator[Claim]:
    """Yield the claims of all command lines.

    Args:
        tree: The host.
        functions: Its PCI functions.
        entries: The entries of its boot loader.
    """
    managed = ManagedArguments(tree)
    tuned = Tuned(tree)
    running = _Source(_RUNNING_FILE, 1, content(tree, _RUNNING_FILE) or "", applies_to=RUNNING)
    for source in (running, *_plain(tree), *_mixed(tree), *_of_grub(tree)):
        for claiming in _claiming(source.text, functions):
            yield _claim(source, claiming, managed)
    for line, variable, text in tuned.boot_cmdline():
        for claiming in _claiming(text, functions):
            origin = tuned.origin(variable, claiming.argument)
            yield _claim(_Source(BOOT_CMDLINE, line, text, origin), claiming, managed)
    yield from _of_entries(tree, functions, entries, managed, tuned)


def _of_entries(
    tree: Tree, functions: Functions, entries: Sequence[Entry], managed: ManagedArguments, tuned: Tuned
) -> Iterator[Claim]:
    places = _Places(tree, tuned)
    known: dict[str, list[_Claiming]] = {}
    for entry in entries:
        if entry.role == FOREIGN or (entry.cmdline not in known and len(known) >= _MAX_ENTRIES):
            continue
        if entry.cmdline not in known:  # most entries of a menu have the same command line
            known[entry.cmdline] = list(_claiming(entry.cmdline, functions))
        for claiming in known[entry.cmdline]:
            yield _claim(places.of(entry, claiming.argument), claiming, managed)


def _claiming(text: str, functions: Functions) -> Iterator[_Claiming]:
    arguments = parse(text).arguments
    last = {argument.name: position for position, argument in enumerate(arguments)}
    for position, argument in enumerate(arguments):
        meaning = meaning_of(argument, functions)
        if meaning is not None:
            yield _Claiming(argument, meaning, argument.name not in LAST_COUNTS or position == last[argument.name])


def _claim(source: _Source, claiming: _Claiming, managed: ManagedArguments) -> Claim:
    return claiming.meaning.claim(
        "cmdline",
        source.path,
        source.line,
        claiming.argument.text,
        (source.applies_to,) if claiming.counts else (),
        managed=managed.has(claiming.argument, source.path),
        origin=source.origin,
    )


def _plain(tree: Tree) -> Iterator[_Source]:
    files = [next((path for path in group if tree.exists(path)), None) for group in _PLAIN]
    files += [path for folder in _PLAIN_FOLDERS for path in in_folder(tree, folder, ".conf")]
    for path in files:
        for line in lines((path and content(tree, path)) or "", continued=False):
            yield _Source(path or "", line.number, line.text)


def _mixed(tree: Tree) -> Iterator[_Source]:
    for path in _MIXED:
        for line in lines(content(tree, path) or "", continued=False):
            yield _Source(path, line.number, " ".join(_WORD.findall(line.text)))


def _of_grub(tree: Tree) -> Iterator[_Source]:
    """Yield what grub-mkconfig puts into entries: of each variable the assignments that no later one discards."""
    by_variable: dict[str, list[_Source]] = {}
    for path in (_GRUB_DEFAULTS, *in_folder(tree, _GRUB_DROP_INS, ".cfg")):
        for assignment in grub_defaults.assignments(content(tree, path) or ""):
            if _GRUB_VARIABLE.fullmatch(assignment.name):
                before = [] if assignment.discards_previous else by_variable.get(assignment.name, [])
                source = _Source(path, assignment.line, assignment.text, assignment.name)
                by_variable[assignment.name] = [*before, source]
    for sources in by_variable.values():
        yield from sources


class _Places:
    """Finds where an entry's arguments are written: in the entry, or in a variable that it refers to."""

    def __init__(self, tree: Tree, tuned: Tuned) -> None:
        self._tree = tree
        self._tuned = tuned
        self._texts: dict[str, list[str]] = {}
        self._variables: list[tuple[str, int, str, str]] | None = None  # path, line, name, text

    def of(self, entry: Entry, argument: Argument) -> _Source:
        """Return the place where an entry's argument is written."""
        here = self._lines(entry.file)
        if entry.line is not None:
            if entry.line <= len(here) and _has_word(here[entry.line - 1], argument):
                return _Source(entry.file, entry.line, argument.text, applies_to=entry.id)
        else:
            for number, line in enumerate(here, 1):
                if _has_word(line, argument) and not line.lstrip().startswith("#"):
                    return _Source(entry.file, number, argument.text, applies_to=entry.id)
        for path, number, name, text in self._all_variables() if here else ():
            if _has_word(text, argument):
                of_tuned = name.startswith("tuned_")
                origin = self._tuned.origin(name, argument) if of_tuned else name
                return _Source(path, number, argument.text, origin, entry.id)
        return _Source(entry.file, entry.line, argument.text, applies_to=entry.id)

    def _lines(self, path: str) -> list[str]:
        if path not in self._texts:
            self._texts[path] = (content(self._tree, path) or "").split("\n")
        return self._texts[path]

    def _all_variables(self) -> list[tuple[str, int, str, str]]:
        """Return the variables of GRUB's environment blocks, then those that a grub.cfg sets."""
        if self._variables is None:
            self._variables = []
            for folder in grub.DIRECTORIES:
                for number, line in enumerate(self._lines(f"{folder}/grubenv"), 1):
                    for name, value in grub.parse_environment(line).items():
                        self._variables.append((f"{folder}/grubenv", number, name, value))
            for folder in grub.DIRECTORIES:
                for number, line in enumerate(self._lines(f"{folder}/grub.cfg"), 1):
                    match = _SET.match(line)
                    if match is not None:
                        self._variables.append((f"{folder}/grub.cfg", number, match.group(1), line[match.end() :]))
        return self._variables


def _has_word(line: str, argument: Argument) -> bool:
    """Return whether a line has an argument as a separate word, in quotes or not."""
    start = line.find(argument.text)
    while start >= 0:
        end = start + len(argument.text)
        if line[start - 1 : start] in ("", " ", "\t", '"', "'", "=") and line[end : end + 1] in (
            "",
            " ",
            "\t",
            '"',
            "'",
            "\r",
        ):
            return True
        start = line.find(argument.text, start + 1)
    return False
