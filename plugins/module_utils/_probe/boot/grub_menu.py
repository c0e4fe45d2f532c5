# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The menu entries in a grub.cfg."""

from __future__ import annotations

import bisect
import re
from typing import Callable, NamedTuple, Optional, Sequence

from .entry import Entry
from .grub_script import Command, Variables, Word, commands

#: More entries than any menu has; those beyond this number are ignored.
MAX_ENTRIES = 4096
_MAX_DEPTH = 64
_MAX_SOURCED = 16
_SOURCED_LIMIT = 1 << 20  # characters of all sourced files together

# Each boots Linux in some GRUB: linux16 by the 16-bit protocol, linuxefi in older Fedora and Debian.
_LINUX = ("linux", "linux16", "linuxefi")
_INITRD = ("initrd", "initrd16", "initrdefi")
_OPENING = ("if", "while", "until", "for")
_CLOSING = ("fi", "done")
_BETWEEN = ("then", "else", "elif", "do")
_OPTIONS_WITH_VALUE = ("--class", "--users", "--hotkey", "--id")  # grub-core/commands/menuentry.c
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DEVICE = re.compile(r"\([^()/]*\)(?=/)")
#: The lines that grub-mkconfig writes before and after the output of each script of /etc/grub.d.
_SECTION_MARKER = re.compile(r"^### (BEGIN|END) (\S+) ###$", re.MULTILINE)

#: Returns the text of the file at a path as GRUB sees it, such as the argument of `source`.
Source = Callable[[str], Optional[str]]


class Menu(NamedTuple):
    """The menu of a grub.cfg and of the files that it sources."""

    entries: tuple[Entry, ...]
    blscfg: bool  # whether the menu also has the entries of the Boot Loader Specification
    variables: Variables


class _Block(NamedTuple):
    kind: str  # "menuentry", "submenu", "function", or "" for any other
    name: str  # the identifier of the entry or submenu
    title: str
    conditions: int  # number of conditions that enclose the block
    script: str | None  # the script of /etc/grub.d that wrote it, as in Entry
    body: list[tuple[tuple[Word, ...], bool, int | None]]  # words, whether conditional, line number


def read_menu(text: str, file: str, variables: Variables, source: Source) -> Menu:
    """Return the menu of a grub.cfg, with the entries in its order.

    Args:
        text: Content of the file.
        file: Its path on this machine.
        variables: GRUB's environment, including the content of grubenv.
        source: Reads the files that this one sources.
    """
    reader = _Reader(file, variables, source)
    reader.read(text)
    return reader.menu()


def kernel_arguments(arguments: Sequence[str]) -> str:
    """Return arguments as GRUB passes them to the kernel (grub-core/lib/cmdline.c): quoted only if they have spaces."""
    quoted = []
    for argument in arguments:
        escaped = re.sub(r"([\\'\"])", r"\\\1", argument)
        quoted.append(f'"{escaped}"' if " " in argument else escaped)
    return " ".join(quoted)


def without_device(path: str) -> str:
    """Return a path without the device that GRUB allows before it: `(hd0,gpt2)/vmlinuz`, `($root)/vmlinuz`."""
    return _DEVICE.sub("", path, count=1) if path.startswith("(") else path


class _Reader:
    def __init__(self, file: str, variables: Variables, source: Source) -> None:
        self._file = file
        self._variables = variables
        self._source = source
        self._blocks: list[_Block] = []  # open ones, the innermost last
        self._conditions = 0
        self._entry_blocks: list[tuple[_Block, tuple[str, ...]]] = []  # with the identifiers of their submenus
        self._has_blscfg = False
        self._sourced_files = 0
        self._sourced_budget = _SOURCED_LIMIT
        self._skipped_blocks = 0  # open blocks that are nested too deeply; their content is ignored
        self._sections: list[tuple[int, str]] = []  # first line and script, "" between the output of two scripts

    def read(self, text: str) -> None:
        self._sections = _sections(text)
        pending = [commands(text)]
        while pending:
            command = next(pending[-1], None)
            if command is None:
                pending.pop()
                continue
            sourced = self._process(command, None if len(pending) > 1 else command.line)
            if sourced is not None and self._sourced_files < _MAX_SOURCED and len(sourced) <= self._sourced_budget:
                self._sourced_files += 1
                self._sourced_budget -= len(sourced)
                pending.append(commands(sourced))
        self._skipped_blocks = 0
        while self._blocks:  # the last entry of a truncated file counts, too
            self._close_block()

    def menu(self) -> Menu:
        # An entry's commands run when it is selected, after all of the file: only now do variables have their values.
        entries = (self._entry(block, parents) for block, parents in self._entry_blocks)
        return Menu(tuple(entry for entry in entries if entry is not None), self._has_blscfg, self._variables)

    def _process(self, command: Command, line: int | None) -> str | None:
        """Process a command; return the text of the file that it sources."""
        words = self._without_keywords(command.words)
        sourced = None
        if command.end == "{":
            self._open_block(words, line)
        elif words and not self._skipped_blocks and not self._enclosing("function"):
            sourced = self._run(words, line)
        if command.end == "}":
            self._close_block()
        return sourced

    def _without_keywords(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Return the words after keywords such as `if` and `then`, and count the conditions that these begin or end."""
        while words:
            # To GRUB, a quoted keyword is a command; no real grub.cfg has one.
            keyword = _literal(words[0])
            if keyword in _OPENING:
                self._conditions += 1
            elif keyword in _CLOSING:
                self._conditions = max(0, self._conditions - 1)
            elif keyword not in _BETWEEN:
                break
            words = words[1:]
        return words

    def _enclosing(self, kind: str) -> _Block | None:
        """Return the innermost open block of a kind."""
        return next((block for block in reversed(self._blocks) if block.kind == kind), None)

    def _script(self, line: int | None) -> str | None:
        """Return the script that wrote a line; "" for a line outside all sections, None if the file has no sections."""
        if not self._sections:
            return None
        position = bisect.bisect_right(self._sections, (line or 0, "\uffff"))
        return self._sections[position - 1][1] if position else ""

    def _open_block(self, words: tuple[Word, ...], line: int | None) -> None:
        if len(self._blocks) >= _MAX_DEPTH:
            self._skipped_blocks += 1
            return
        kind = _literal(words[0]) if words else ""
        enclosing = self._enclosing("menuentry") or self._enclosing("function")
        if kind in ("menuentry", "submenu") and not enclosing:
            title, name = _title_and_id(self._variables.expand(words[1:]))
            self._blocks.append(_Block(kind, name, title, self._conditions, self._script(line), []))
        else:
            kind = "function" if kind == "function" else ""
            self._blocks.append(_Block(kind, "", "", self._conditions, None, []))

    def _close_block(self) -> None:
        if self._skipped_blocks:
            self._skipped_blocks -= 1
            return
        if not self._blocks:
            return
        block = self._blocks.pop()
        self._conditions = block.conditions
        if block.kind == "menuentry" and len(self._entry_blocks) < MAX_ENTRIES:
            submenus = tuple(outer.name for outer in self._blocks if outer.kind == "submenu")
            self._entry_blocks.append((block, submenus))

    def _run(self, words: tuple[Word, ...], line: int | None) -> str | None:
        """Add a command to its entry, or interpret it; return the text of the file that it sources."""
        entry = self._enclosing("menuentry")
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
            self._has_blscfg = True
        elif name in ("source", ".", "configfile") and len(arguments) > 1:
            return self._source(without_device(arguments[1]))
        return None

    def _entry(self, block: _Block, parents: tuple[str, ...]) -> Entry | None:
        linux, linux_line, initrds = self._images(block)
        if not linux:
            return None  # another operating system, a memory test, the firmware's setup
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

    def _images(self, block: _Block) -> tuple[list[str], int | None, list[str]]:
        """Return the arguments of the command that loads the kernel and its line, and the paths of initramfs images."""
        linux: list[str] = []
        initrds: list[str] = []
        linux_line = None
        for words, is_conditional, line in block.body:
            arguments = self._variables.expand(words)
            name = arguments[0] if arguments else ""
            if name in _LINUX and len(arguments) > 1 and not (is_conditional and linux):
                linux, linux_line = arguments[1:], line
            elif name in _INITRD and not (is_conditional and initrds):
                initrds = [without_device(path) for path in arguments[1:]]
        return linux, linux_line, initrds


def _sections(text: str) -> list[tuple[int, str]]:
    """Return where the output of each script begins and ends, as _Reader keeps it."""
    sections = []
    line, counted = 1, 0  # line number of the character at `counted`
    for match in _SECTION_MARKER.finditer(text):
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        sections.append((line, match.group(2) if match.group(1) == "BEGIN" else ""))
    return sections


def _literal(word: Word) -> str:
    """Return a word as text, with `$` for each variable."""
    return "".join(getattr(piece, "text", "$") for piece in word)


def _title_and_id(arguments: list[str]) -> tuple[str, str]:
    """Return the title and the identifier in the arguments of menuentry or submenu; without --id the title is both."""
    title: str | None = None
    identifier: str | None = None
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        option, equals, value = argument.partition("=")
        if option in _OPTIONS_WITH_VALUE:
            if not equals:
                position += 1
                value = arguments[position] if position < len(arguments) else ""
            identifier = value if option == "--id" else identifier
        elif title is None and not argument.startswith("--"):
            title = argument
        position += 1
    return title or "", identifier or title or ""
