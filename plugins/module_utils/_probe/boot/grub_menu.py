# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of a grub.cfg."""

from __future__ import annotations

import bisect
import re
from typing import Callable, NamedTuple, Optional, Sequence

from .entry import Entry
from .grub_script import Command, Variables, Word, commands

#: More entries than a menu can have; what exceeds it is damage.
MOST_ENTRIES = 4096
_MOST_NESTED = 64
_MOST_SOURCED = 16
_SOURCED_LIMIT = 1 << 20  # characters, of all of them together

# Each boots Linux in some GRUB: linux16 is the 16-bit protocol, linuxefi the one of older Fedora and Debian.
_LINUX = ("linux", "linux16", "linuxefi")
_INITRD = ("initrd", "initrd16", "initrdefi")
_OPENING = ("if", "while", "until", "for")
_CLOSING = ("fi", "done")
_BETWEEN = ("then", "else", "elif", "do")
_OPTIONS_WITH_VALUE = ("--class", "--users", "--hotkey", "--id")  # grub-core/commands/menuentry.c
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DEVICE = re.compile(r"\([^()/]*\)(?=/)")
#: What grub-mkconfig writes around the output of each script of /etc/grub.d.
_SECTION = re.compile(r"^### (BEGIN|END) (\S+) ###$", re.MULTILINE)

#: From a path as GRUB sees it (`source` names one) to the text there.
Source = Callable[[str], Optional[str]]


class Menu(NamedTuple):
    """What a grub.cfg, with the files it sources, offers."""

    entries: tuple[Entry, ...]
    blscfg: bool  # whether it also offers boot loader specification entries
    variables: Variables


class _Block(NamedTuple):
    kind: str  # "menuentry", "submenu", "function", or "" for any other
    name: str  # the identifier of the entry or submenu
    title: str
    conditions: int  # that were open where the block began
    script: str | None  # of /etc/grub.d, that wrote it
    body: list[tuple[tuple[Word, ...], bool, int | None]]  # words, whether under a condition, line


def read_menu(text: str, file: str, variables: Variables, source: Source) -> Menu:
    """Return what a grub.cfg offers, in its order.

    Args:
        text: Content of the file.
        file: Its path on this machine.
        variables: GRUB's environment, with the content of grubenv in it.
        source: Reads what the file sources.
    """
    reader = _Reader(file, variables, source)
    reader.read(text)
    return reader.menu()


def kernel_arguments(arguments: Sequence[str]) -> str:
    """Join arguments as GRUB hands them to the kernel (grub-core/lib/cmdline.c): quoted only where there is a blank."""
    done = []
    for argument in arguments:
        escaped = re.sub(r"([\\'\"])", r"\\\1", argument)
        done.append(f'"{escaped}"' if " " in argument else escaped)
    return " ".join(done)


def without_device(path: str) -> str:
    """Return a path without the device that GRUB may have before it: `(hd0,gpt2)/vmlinuz`, `($root)/vmlinuz`."""
    return _DEVICE.sub("", path, count=1) if path.startswith("(") else path


class _Reader:
    def __init__(self, file: str, variables: Variables, source: Source) -> None:
        self._file = file
        self._variables = variables
        self._source = source
        self._blocks: list[_Block] = []
        self._conditions = 0
        self._found: list[tuple[_Block, tuple[str, ...]]] = []
        self._blscfg = False
        self._sourced = 0
        self._sourced_left = _SOURCED_LIMIT
        self._too_deep = 0  # blocks open beyond the bound: what is in them is passed over
        self._sections: list[tuple[int, str]] = []  # lines from which on another script's output is, or none's

    def read(self, text: str) -> None:
        self._sections = _sections(text)
        pending = [commands(text)]
        while pending:
            command = next(pending[-1], None)
            if command is None:
                pending.pop()
                continue
            sourced = self._take(command, None if len(pending) > 1 else command.line)
            if sourced is not None and self._sourced < _MOST_SOURCED and len(sourced) <= self._sourced_left:
                self._sourced += 1
                self._sourced_left -= len(sourced)
                pending.append(commands(sourced))
        self._too_deep = 0
        while self._blocks:  # a file cut short still has its last entry
            self._close()

    def menu(self) -> Menu:
        # An entry runs when it is chosen, after all of the file did: only now have its variables their values.
        entries = (self._entry(block, parents) for block, parents in self._found)
        return Menu(tuple(entry for entry in entries if entry is not None), self._blscfg, self._variables)

    def _take(self, command: Command, line: int | None) -> str | None:
        words = self._without_keywords(command.words)
        sourced = None
        if command.end == "{":
            self._open(words, line)
        elif words and not self._too_deep and not self._inside("function"):
            sourced = self._run(words, line)
        if command.end == "}":
            self._close()
        return sourced

    def _without_keywords(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        while words:
            # A quoted keyword is a command; telling one from the other would serve no file there is.
            keyword = _plain(words[0])
            if keyword in _OPENING:
                self._conditions += 1
            elif keyword in _CLOSING:
                self._conditions = max(0, self._conditions - 1)
            elif keyword not in _BETWEEN:
                break
            words = words[1:]
        return words

    def _inside(self, kind: str) -> _Block | None:
        return next((block for block in reversed(self._blocks) if block.kind == kind), None)

    def _script(self, line: int | None) -> str | None:
        """Return which script wrote a line; "" for what stands outside of all, None where the file doesn't say."""
        if not self._sections:
            return None
        position = bisect.bisect_right(self._sections, (line or 0, "\uffff"))
        return self._sections[position - 1][1] if position else ""

    def _open(self, words: tuple[Word, ...], line: int | None) -> None:
        if len(self._blocks) >= _MOST_NESTED:
            self._too_deep += 1
            return
        kind = _plain(words[0]) if words else ""
        nested = self._inside("menuentry") or self._inside("function")
        if kind in ("menuentry", "submenu") and not nested:
            title, name = _title_and_id(self._variables.expand(words[1:]))
            self._blocks.append(_Block(kind, name, title, self._conditions, self._script(line), []))
        else:
            kind = "function" if kind == "function" else ""
            self._blocks.append(_Block(kind, "", "", self._conditions, None, []))

    def _close(self) -> None:
        if self._too_deep:
            self._too_deep -= 1
            return
        if not self._blocks:
            return
        block = self._blocks.pop()
        self._conditions = block.conditions
        if block.kind == "menuentry" and len(self._found) < MOST_ENTRIES:
            self._found.append((block, tuple(outer.name for outer in self._blocks if outer.kind == "submenu")))

    def _run(self, words: tuple[Word, ...], line: int | None) -> str | None:
        entry = self._inside("menuentry")
        if entry is not None:
            entry.body.append((words, self._conditions > entry.conditions, line))
            return None
        arguments = self._variables.expand(words)
        name = arguments[0] if arguments else ""
        if name == "set" and len(arguments) > 1:
            self._variables.set(arguments[1], self._conditions > 0)
        elif _ASSIGNMENT.match(name):
            self._variables.set(name, self._conditions > 0)
        elif name == "blscfg":
            self._blscfg = True
        elif name in ("source", ".", "configfile") and len(arguments) > 1:
            return self._source(without_device(arguments[1]))
        return None

    def _entry(self, block: _Block, parents: tuple[str, ...]) -> Entry | None:
        linux: list[str] = []
        initrds: list[str] = []
        linux_line = None
        for words, conditional, line in block.body:
            arguments = self._variables.expand(words)
            name = arguments[0] if arguments else ""
            if name in _LINUX and len(arguments) > 1 and not (conditional and linux):
                linux, linux_line = arguments[1:], line
            elif name in _INITRD and not (conditional and initrds):
                initrds = [without_device(path) for path in arguments[1:]]
        if not linux:
            return None  # another system, a memory test, the firmware's setup
        return Entry(
            id=block.name,
            title=block.title,
            version=None,
            linux=without_device(linux[0]),
            initrds=tuple(initrds),
            cmdline=kernel_arguments(linux[1:]),
            file=self._file,
            parents=parents,
            line=linux_line,
            script=block.script,
        )


def _sections(text: str) -> list[tuple[int, str]]:
    found = []
    line, counted = 1, 0
    for match in _SECTION.finditer(text):
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        found.append((line, match.group(2) if match.group(1) == "BEGIN" else ""))
    return found


def _plain(word: Word) -> str:
    return "".join(getattr(piece, "text", "$") for piece in word)


def _title_and_id(arguments: list[str]) -> tuple[str, str]:
    """Return the title and the identifier in the arguments of menuentry or submenu; without --id the title is both."""
    title: str | None = None
    name: str | None = None
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        option, equals, value = argument.partition("=")
        if option in _OPTIONS_WITH_VALUE:
            if not equals:
                position += 1
                value = arguments[position] if position < len(arguments) else ""
            name = value if option == "--id" else name
        elif title is None and not argument.startswith("--"):
            title = argument
        position += 1
    return title or "", name or title or ""
