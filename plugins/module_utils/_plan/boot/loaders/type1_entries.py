# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot loader specification entries of type 1 as something to change: one file an entry, one `options` line or more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Collection, Iterator, NamedTuple, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import FALLBACK, NORMAL, OTHER, Change, EntryLine
from ...._machine.plan import STAGED, RemoveFile, Step, WriteFile
from ...._probe.boot import bls
from ...._probe.boot.entry import NORMAL as EVERYDAY
from ...._probe.boot.entry import Entry
from ...._probe.boot.image_headers import kernel_release
from ...._probe.boot.kernels import has_modules

if TYPE_CHECKING:
    from ...._probe.tree import Tree

_OPTIONS = re.compile(
    r"^(?P<key>[ \t]*options)(?:(?P<space>[ \t]+)(?P<value>[^\r\n]*?))?(?P<end>[ \t]*\r?)$", re.MULTILINE
)
_FIELD = r"^([ \t]*%s[ \t]+)([^\r\n]*?)([ \t]*\r?)$"
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
#: In the identifier of each entry that boots without our arguments, before the version.
_FALLBACK = "vfio-workstation-fallback-"
_FALLBACK_ID = re.compile(f"(?P<start>.*?)(?:-0-|~){_FALLBACK}", re.DOTALL)


class Dialect(NamedTuple):
    """In what one boot loader differs from another that reads such entries."""

    mark: str  # between an identifier's start and the version: an entry that has it comes after the others
    takes_all_options: bool  # else the first `options` line only
    by_hand: bool  # whether systems are usual where people write the entries, and no file's name has a version


#: Entries with a `sort-key` are sorted by it, those without by their files' names, the highest first: `-` is lower than
#: the `.` before `conf`, and `0` than any version (UAPI.1, "Sorting"; strverscmp_improved() of systemd).
SYSTEMD_BOOT = Dialect("-0-" + _FALLBACK, takes_all_options=True, by_hand=True)
#: Names are taken apart at their last two dashes into name, version and release, and sorted by these as rpm does, the
#: highest first: to have more is to be higher, unless it is a `~` (Fedora's blscfg.c, split_cmp() and create_entry()).
GRUB = Dialect("~" + _FALLBACK, takes_all_options=False, by_hand=False)


class Type1Entries:
    """The entries of this machine's kernels in one folder or two.

    Args:
        tree: The machine.
        folders: Where entries lie.
        kernels: Versions of the installed kernels.
        dialect: What the boot loader makes of entries.
        expand: From an `options` line to the arguments that the kernel gets.
    """

    def __init__(
        self,
        tree: Tree,
        folders: Sequence[str],
        kernels: Sequence[str],
        dialect: Dialect,
        expand: Callable[[str], str] = lambda options: options,
    ) -> None:
        self._tree = tree
        self._dialect = dialect
        self._expand = expand
        self._kernels = kernels
        self._installed = {version for version in kernels if has_modules(tree, version)}
        self._machine_id = tree.text("/etc/machine-id") or ""
        #: All entries; and those that boot this system's installed kernels.
        self.found = tuple(self._read(one) for folder in folders for one in bls.read_entries(tree, folder))
        self._by_hand = False
        self.normal = tuple(one for one in self.found if self._is_normal(one))
        if not self.normal and dialect.by_hand:
            self._by_hand = True
            self.normal = tuple(one for one in self.found if self._is_normal(one))
        self._starts = {self._machine_id, *(_start(one) for one in self.normal)}

    @property
    def fallbacks(self) -> str | None:
        """The path of entries without our arguments, up to the version; None where no file's name has a version."""
        order = {version: position for position, version in enumerate(self._kernels)}
        normal = sorted(self.normal, key=lambda one: order[self._version(one) or ""])
        return self._place(normal[0], "") if normal and not self._by_hand else None

    def _place(self, one: bls.Type1Entry, version: str) -> str:
        return "{}/{}{}{}".format(one.file.rpartition("/")[0], _start(one), self._dialect.mark, version)

    def _read(self, found: bls.Type1Entry) -> bls.Type1Entry:
        """Return an entry with its values byte for byte, since they are written back."""
        return found._replace(values=bls.parse(self._text(found.file)))

    def lines(self) -> tuple[EntryLine, ...]:
        """Return the entries that boot a kernel."""
        return tuple(
            EntryLine(
                id=entry.id,
                title=entry.first("title") or entry.id,
                version=self._version(entry),
                path=entry.file,
                line=self._line(entry),
                role=self._role(entry),
                text=self._arguments(entry),
            )
            for entry in self.found
            if entry.first("linux")
        )

    def steps(self, change: Change, as_they_are: Collection[str] = ()) -> Iterator[Step]:
        """Yield what brings entries in line: those without our arguments before those that get them.

        Args:
            change: What is requested for.
            as_they_are: Identifiers of entries that get their arguments from elsewhere.
        """
        after = {(line.path, line.name): line.after for line in change.entries}
        yield from self._fallbacks(change, after)
        for entry in self.found:
            if (entry.file, entry.id) in after and entry.id not in as_they_are:
                before = self._text(entry.file)
                text = with_options(before, after[entry.file, entry.id], self._dialect.takes_all_options)
                if text != before:
                    yield WriteFile(entry.file, text, STAGED, f"bring the entry {entry.id} in line")

    def _fallbacks(self, change: Change, after: dict[tuple[str, str], str]) -> Iterator[Step]:
        wanted: dict[str, tuple[str, str]] = {}
        for entry in self.normal if change.fallback else ():
            arguments = after.get((entry.file, entry.id), self._arguments(entry))
            text = self._without(entry, cmdline.without(arguments, change.new))
            wanted.setdefault(self._place(entry, entry.first("version") or "") + ".conf", (entry.id, text))
        for entry in self.found:
            if self._role(entry) == FALLBACK and entry.file not in wanted:
                yield RemoveFile(entry.file, STAGED, "its kernel is gone, or has no arguments of ours")
        there = {entry.file: entry for entry in self.found}
        for place, (name, text) in wanted.items():
            if place not in there or not _same(there[place].values, bls.parse(text)):
                yield WriteFile(place, text, STAGED, f"have an entry that boots as {name} did without our arguments")

    def _without(self, entry: bls.Type1Entry, arguments: str) -> str:
        return without_ours(self._text(entry.file), arguments, self._dialect.takes_all_options)

    def _role(self, entry: bls.Type1Entry) -> str:
        if entry in self.normal:
            return NORMAL
        fallback = _FALLBACK_ID.match(entry.id)
        ours = fallback is not None and fallback.group("start") in self._starts and not self._is_foreign(entry)
        return FALLBACK if ours else OTHER

    def _is_normal(self, entry: bls.Type1Entry) -> bool:
        """Tell whether an entry boots an installed kernel of this system, every day."""
        return (
            self._version(entry) in self._installed
            and entry.first("linux") is not None
            and not self._is_foreign(entry)
            and _entry(entry).role == EVERYDAY
        )

    def _version(self, entry: bls.Type1Entry) -> str | None:
        """Return the version of the kernel that an entry boots: as it says, or as the image does where it says none."""
        version = entry.first("version")
        if version in self._installed or not self._by_hand:
            return version
        partition = entry.file.rpartition("/loader/entries/")[0]
        return kernel_release(self._tree, partition + (entry.first("linux") or "")) or version

    def _is_foreign(self, entry: bls.Type1Entry) -> bool:
        """Tell whether an entry is another system's: each names its entries by its machine-id, or by a word."""
        named = _MACHINE_ID.match(entry.id)
        owner = entry.first("machine-id") or (named.group() if named else "")
        return bool(owner and self._machine_id and owner != self._machine_id)

    def _arguments(self, entry: bls.Type1Entry) -> str:
        values = [value for value in entry.values.get("options", ()) if value]
        return self._expand(" ".join(values if self._dialect.takes_all_options else values[:1]))

    def _line(self, entry: bls.Type1Entry) -> int | None:
        text = self._text(entry.file)
        lines = _options_lines(text, self._dialect.takes_all_options)
        return text.count("\n", 0, lines[-1].start()) + 1 if lines else None

    def _text(self, path: str) -> str:
        return self._tree.exact(path) or ""


def with_options(text: str, after: str, takes_all: bool = True) -> str:
    """Return an entry's text with other arguments, so that what was added can be taken out again to the byte.

    Args:
        text: Of the entry.
        after: The arguments that it is to have.
        takes_all: Whether several `options` lines are one line to the boot loader; else the first counts.
    """
    lines = _options_lines(text, takes_all)
    if not lines:
        # A last line that is not ended stays the last.
        end = "\r\n" if "\r\n" in text else "\n"
        at = text.rfind("\n") + 1
        return f"{text[:at]}options    {after}{end}{text[at:]}" if after else text
    *others, last = lines
    start = " ".join(match.group("value") for match in others)
    if start and not after.startswith(start + " ") and after != start:
        # Something of an earlier line is to change: the first line holds all, and the others go.
        for match in reversed(lines[1:]):
            text = text[: match.start()] + text[match.end() + 1 :]
        return with_options(text, after, takes_all)
    value = after[len(start) :].lstrip() if start else after
    made = last.group("key") + last.group("space") + value + last.group("end") if value else ""
    return text[: last.start()] + made + text[last.end() + (0 if value else 1) :]


def without_ours(text: str, options: str, takes_all: bool = True) -> str:
    """Return the entry that boots the same kernel with these arguments, made after another entry's text."""
    text = with_options(text, options, takes_all)
    text, titles = re.subn(_FIELD % "title", r"\1\2 without VFIO\3", text, count=1, flags=re.MULTILINE)
    if not titles:
        text = "title      Linux without VFIO\n" + text
    # Entries are sorted by this first (UAPI.1, "Sorting"): these come after all others, and none becomes the default.
    return re.sub(_FIELD % "sort-key", r"\1\2-vfio-workstation-fallback\3", text, count=1, flags=re.MULTILINE)


def _options_lines(text: str, takes_all: bool) -> list[re.Match[str]]:
    """Return the lines that the boot loader takes arguments from; one without any is none."""
    lines = [match for match in _OPTIONS.finditer(text) if match.group("value")]
    return lines if takes_all else lines[:1]


def _entry(found: bls.Type1Entry) -> Entry:
    return Entry(
        id=found.id,
        title=found.first("title") or found.id,
        version=found.first("version"),
        linux=found.first("linux"),
        initrds=found.values.get("initrd", ()),
        cmdline=found.joined("options") or "",
        file=found.file,
    )


def _start(entry: bls.Type1Entry) -> str:
    """Return what the identifiers of a system's entries begin with: its machine-id, or another word of its own."""
    end = "-" + (entry.first("version") or "")
    return entry.id[: -len(end)] if entry.id.endswith(end) else entry.id


def _same(one: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]]) -> bool:
    """Tell whether two entries boot the same: white space, comments and the order of keys make no difference."""

    def essence(values: dict[str, tuple[str, ...]]) -> list[object]:
        options = " ".join(values.get("options", ()))
        return [values.get(key) for key in ("title", "version", "linux", "initrd", "sort-key")] + [
            [argument.meaning for argument in cmdline.parse(options).arguments]
        ]

    return essence(one) == essence(other)
