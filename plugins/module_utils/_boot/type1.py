# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot loader specification entries of type 1 as something to change: one file an entry, one `options` line or more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Iterator, Sequence

from .._machine.boot_config import FALLBACK, NORMAL, OTHER, Change, EntryLine
from .._machine.plan import STAGED, RemoveFile, Step, WriteFile
from .._plan import cmdline
from . import bls
from .kernel_install import FALLBACK_MARK

if TYPE_CHECKING:
    from .._probe.tree import Tree

_OPTIONS = re.compile(
    r"^(?P<key>[ \t]*options)(?:(?P<space>[ \t]+)(?P<value>[^\r\n]*?))?(?P<end>[ \t]*\r?)$", re.MULTILINE
)
_FIELD = r"^([ \t]*%s[ \t]+)([^\r\n]*?)([ \t]*\r?)$"
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


class Type1Entries:
    """The entries of this machine's kernels in one folder or two.

    Args:
        tree: The machine.
        folders: Where entries lie.
        kernels: Versions of the installed kernels.
        expand: From an `options` line to the arguments that the kernel gets.
    """

    def __init__(
        self,
        tree: Tree,
        folders: Sequence[str],
        kernels: Sequence[str],
        expand: Callable[[str], str] = lambda options: options,
    ) -> None:
        self._tree = tree
        self._expand = expand
        self._installed = {version for version in kernels if _has_modules(tree, version)}
        self._machine_id = tree.text("/etc/machine-id") or ""
        self.found = tuple(entry for folder in folders for entry in bls.read_entries(tree, folder))

    def lines(self) -> tuple[EntryLine, ...]:
        """Return the entries that boot a kernel."""
        return tuple(
            EntryLine(
                id=entry.id,
                title=entry.first("title") or entry.id,
                version=entry.first("version"),
                path=entry.file,
                line=_line(self._text(entry.file)),
                role=self._role(entry),
                text=self._expand(entry.joined("options") or ""),
            )
            for entry in self.found
            if entry.first("linux")
        )

    def steps(self, change: Change) -> Iterator[Step]:
        """Yield what brings entries in line: those without our arguments before those that get them."""
        after = {(line.path, line.name): line.after for line in change.entries}
        yield from self._fallbacks(change, after)
        for entry in self.found:
            before = self._text(entry.file)
            text = with_options(before, after[entry.file, entry.id]) if (entry.file, entry.id) in after else before
            if text != before:
                yield WriteFile(entry.file, text, STAGED, f"bring the entry {entry.id} in line")

    def _fallbacks(self, change: Change, after: dict[tuple[str, str], str]) -> Iterator[Step]:
        wanted: dict[str, tuple[str, str]] = {}
        for entry in self.found if change.fallback else ():
            if self._role(entry) == NORMAL:
                options = after.get((entry.file, entry.id), self._expand(entry.joined("options") or ""))
                text = self._text(entry.file)
                place = entry.file.rpartition("/")[0] + "/" + fallback_name(entry) + ".conf"
                wanted.setdefault(place, (entry.id, without_ours(text, cmdline.without(options, change.new))))
        for entry in self.found:
            if self._role(entry) == FALLBACK and entry.file not in wanted:
                yield RemoveFile(entry.file, STAGED, "its kernel is gone, or has no arguments of ours")
        there = {entry.file: entry for entry in self.found}
        for place, (name, text) in wanted.items():
            if place not in there or not _same(there[place].values, bls.parse(text)):
                yield WriteFile(place, text, STAGED, f"have an entry that boots as {name} did without our arguments")

    def _role(self, entry: bls.Type1) -> str:
        if FALLBACK_MARK in entry.id:
            return FALLBACK
        # Of several systems on one disk, each names its entries by its own machine-id, or by a name of its own.
        named = _MACHINE_ID.match(entry.id)
        owner = entry.first("machine-id") or (named.group() if named else "")
        foreign = bool(owner and self._machine_id and owner != self._machine_id)
        rescue = "-0-rescue" in entry.id
        known = entry.first("version") in self._installed
        return NORMAL if known and not foreign and not rescue and entry.first("linux") else OTHER

    def _text(self, path: str) -> str:
        content = self._tree.data(path)
        return "" if content is None else content.decode("utf-8", "surrogateescape")


def with_options(text: str, after: str) -> str:
    """Return an entry's text with other arguments; its `options` lines are one line to whoever reads them."""
    lines = list(_OPTIONS.finditer(text))
    if not lines:
        end = "" if text.endswith("\n") or not text else "\n"
        return f"{text}{end}options    {after}\n" if after else text
    *others, last = lines
    values = [match.group("value") or "" for match in others]
    start = " ".join(value for value in values if value)
    if start and not after.startswith(start + " ") and after != start:
        # Something of an earlier line is to change: the first line holds all, and the others go.
        for match in reversed(lines[1:]):
            text = text[: match.start()] + text[match.end() + 1 :]
        return with_options(text, after)
    value = after[len(start) :].lstrip() if start else after
    made = last.group("key") + (last.group("space") or " ") + value + last.group("end") if value else ""
    return text[: last.start()] + made + text[last.end() + (0 if value else 1) :]


def without_ours(text: str, options: str) -> str:
    """Return the entry that boots the same kernel with these arguments, made after another entry's text."""
    text = with_options(text, options)
    text = re.sub(_FIELD % "title", r"\1\2 without VFIO\3", text, count=1, flags=re.MULTILINE)
    # Entries are sorted by this first (UAPI.1, "Sorting"): these come after all others, and none becomes the default.
    return re.sub(_FIELD % "sort-key", r"\1\2-vfio-workstation-fallback\3", text, count=1, flags=re.MULTILINE)


def fallback_name(entry: bls.Type1) -> str:
    """Return the identifier of the entry that boots a kernel without our arguments: it sorts after all others."""
    version = entry.first("version") or ""
    start = entry.id[: -len(version)] if version and entry.id.endswith(version) else entry.id + "-"
    return f"{start}{FALLBACK_MARK}{version}"


def _same(one: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether two entries boot the same: white space, comments and the order of keys make no difference."""

    def essence(values: dict[str, tuple[str, ...]]) -> list[object]:
        options = " ".join(values.get("options", ()))
        return [values.get(key) for key in ("title", "version", "linux", "initrd", "sort-key")] + [
            [argument.meaning for argument in cmdline.parse(options).arguments]
        ]

    return essence(one) == essence(other)


def _line(text: str) -> int | None:
    lines = list(_OPTIONS.finditer(text))
    return text.count("\n", 0, lines[-1].start()) + 1 if lines else None


def _has_modules(tree: Tree, version: str) -> bool:
    return tree.exists(f"/lib/modules/{version}") or tree.exists(f"/usr/lib/modules/{version}")
