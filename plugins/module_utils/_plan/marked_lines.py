# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of foreign files that are set aside: turned into marked comments, and back. Pure.

The comment keeps a line's position while an administrator edits the rest of the file, shows why the line has no effect,
and needs no record: to put a line back is to remove the mark. So nothing is lost if the file changes meanwhile: a line
that somebody removed stays removed, and one that somebody edited is put back as edited.
"""

from __future__ import annotations

import re
from typing import Iterable, Iterator

from .._machine.cmdline import parse

#: Begins each line that is set aside. It is a comment to kmod, initramfs-tools and shells.
MARK = "# set aside by vfio.workstation: "
#: A line with options of a driver that binds by its options, in modprobe.d or in a list of modules.
_OPTIONS = re.compile(r"((?:options[ \t]+)?(?:vfio[-_]pci|pci[-_]stub|(?:xen[-_])?pciback)[ \t]+)(.*)", re.DOTALL)
_BINDING = ("ids", "hide")
#: Assignments of lists of modules for dracut and mkinitcpio. `drivers` of dracut is none: what it does not name is left
#: out of images.
_ASSIGNMENT = re.compile(
    r"[ \t]*(?:MODULES|force_drivers|add_drivers)\+?=(\([^()]*\)|\"[^\"]*\"|'[^']*'|[\w-]*)[ \t]*(?:#.*)?\r?\n"
)
#: Lines that a command may depend on: without it, they may be a syntax error.
_COMPOUND = re.compile(
    r"^[ \t]*(?:if|case|for|while|until|select|function)\b|^[ \t]*[^#\s].*[{&|][ \t]*(?:#.*)?$", re.MULTILINE
)
_WORD = re.compile(r"[^\s()\"']+")
_VFIO_MODULES = ("vfio", "vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "vfio_virqfd")


def only_vfio(words: Iterable[str]) -> bool:
    """Return whether all words are modules of VFIO, which are requested in every initramfs anyway."""
    return all(word.replace("-", "_") in _VFIO_MODULES for word in words)


def line_at(text: str, number: int, continued: bool) -> range | None:
    """Return the indexes of a line and of those that continue it, or None if there is no such line.

    In a file without continuation, a line with a backslash at the end is none: as comments, two would become one.

    Args:
        text: The content of a file.
        number: The line, counted from 1.
        continued: Whether a backslash at the end of a line continues it.
    """
    lines = text.split("\n")
    if not 0 < number <= len(lines) or (lines[number - 1].endswith("\\") and not continued):
        return None
    end = number
    while end < len(lines) and lines[end - 1].endswith("\\"):
        end += 1
    return range(number - 1, end)


def joined(text: str, block: range) -> str:
    """Return lines as one, without the backslashes that continue them and without surrounding white space."""
    lines = text.split("\n")[block.start : block.stop]
    return "".join([*(line[:-1] for line in lines[:-1]), *lines[-1:]]).strip()


def module_list_at(text: str, number: int) -> range | None:
    """Return the indexes of the lines of an assignment, or None where it can't be set aside alone.

    It can if nothing else is on its lines, it names no module but those of VFIO, and nothing depends on it: it is not
    inside a condition, and not the last line without a newline, which mkinitcpio joins with the next file's first line.

    Args:
        text: The content of a file that a shell reads.
        number: The line with the beginning of the assignment, counted from 1.
    """
    lines = text.split("\n")
    if not 0 < number <= len(lines) or (number > 1 and lines[number - 2].endswith("\\")) or _COMPOUND.search(text):
        return None
    match = _ASSIGNMENT.match(text, sum(len(line) + 1 for line in lines[: number - 1]))
    if match is None or not only_vfio(_WORD.findall(match.group(1))):
        return None
    return range(number - 1, number - 1 + match.group().count("\n"))


def set_aside(text: str, blocks: Iterable[range]) -> str:
    """Return a text with lines turned into marked comments.

    A line with further options is preceded by one with these options alone: they apply to devices of all requests.

    Args:
        text: The content of a file.
        blocks: The indexes of the lines, as `line_at` and `module_list_at` return them.
    """
    lines = text.split("\n")
    firsts = {block.start: block for block in blocks}
    marked = {index for block in firsts.values() for index in block}
    result = []
    for index, line in enumerate(lines):
        rest = _rest(joined(text, firsts[index])) if index in firsts else ""
        if rest:
            result.append(rest + ("\r" if line.endswith("\r") else ""))
        result.append(MARK + line if index in marked else line)
    return "\n".join(result)


def put_back(text: str) -> str:
    """Return a text with the lines that were set aside, and without those that took their place."""
    result: list[str] = []
    for is_marked, lines in _groups(text.split("\n")):
        if is_marked:
            rest = _rest(joined("\n".join(lines), range(len(lines))))
            if rest and result and result[-1].rstrip("\r") == rest:
                result.pop()
        result.extend(lines)
    return "\n".join(result)


def _groups(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield lines without marks, each with whether it was marked; those that continue a marked line with it."""
    group: list[str] = []
    for line in lines:
        is_marked = line.startswith(MARK)
        if group and not (is_marked and group[-1].endswith("\\")):
            yield True, group
            group = []
        if is_marked:
            group.append(line[len(MARK) :])
        else:
            yield False, [line]
    if group:
        yield True, group


def _rest(line: str) -> str:
    """Return what a line says besides the functions to bind; "" if that is nothing."""
    match = _OPTIONS.fullmatch(line)
    if match is None:
        return ""
    arguments = parse(match.group(2)).arguments
    kept = [argument.text for argument in arguments if argument.name not in _BINDING]
    return match.group(1) + " ".join(kept) if kept and len(kept) < len(arguments) else ""
