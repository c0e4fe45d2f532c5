# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot loader specification entries of type 1, as files to change: one file for each entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Collection, Iterator, NamedTuple, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import FALLBACK, NORMAL, OTHER, Change, EntryLine
from ...._machine.plan import STAGED, RemoveFile, Step, WriteFile
from ...._probe.boot import bls
from ...._probe.boot.entry import NORMAL as BOOTS_KERNEL
from ...._probe.boot.entry import Entry
from ...._probe.boot.image_headers import kernel_release
from ...._probe.boot.kernels import has_modules
from .type1_text import fallback_text, is_equivalent, options_lines, with_options

if TYPE_CHECKING:
    from ...._probe.tree import Tree

_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
#: In the identifier of every fallback entry, before the version.
_FALLBACK = "vfio-workstation-fallback-"
_FALLBACK_ID = re.compile(f"(?P<token>.*?)(?:-0-|~){_FALLBACK}", re.DOTALL)


class Dialect(NamedTuple):
    """How a boot loader reads such entries, where boot loaders differ."""

    fallback_infix: str  # between entry token and version in a fallback entry's identifier: sorts it after all others
    takes_all_options: bool  # whether it joins several `options` lines; otherwise it reads the first one only
    has_handwritten: bool  # whether entries are commonly written by hand, without versions in them or in file names


#: systemd-boot sorts entries by `sort-key`, and those without one by file name, in descending order. There `-` is lower
#: than the `.` of `.conf`, and `0` is lower than any version (UAPI.1, "Sorting"; strverscmp_improved() of systemd).
SYSTEMD_BOOT = Dialect("-0-" + _FALLBACK, takes_all_options=True, has_handwritten=True)
#: Fedora's GRUB splits file names at their last two dashes into name, version and release, and sorts by these as rpm
#: does, in descending order. A longer part is higher, unless it continues with `~` (blscfg.c, split_cmp() and
#: create_entry()).
GRUB = Dialect("~" + _FALLBACK, takes_all_options=False, has_handwritten=False)


class Type1Entries:
    """The entries in one or two directories.

    Args:
        tree: The host.
        directories: Where the entries are.
        kernels: Versions of the installed kernels, the newest first.
        dialect: How the boot loader reads entries.
        expand: Returns the arguments that the kernel gets for the value of an `options` line.
    """

    def __init__(
        self,
        tree: Tree,
        directories: Sequence[str],
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
        self.all_entries = tuple(
            self._with_exact_values(entry) for directory in directories for entry in bls.read_entries(tree, directory)
        )
        # Handwritten entries count only if no entry has the version of an installed kernel.
        self._is_handwritten = False
        #: Those that boot an installed kernel of this system, and not for recovery.
        self.normal_entries = self._find_normal_entries()
        if not self.normal_entries and dialect.has_handwritten:
            self._is_handwritten = True
            self.normal_entries = self._find_normal_entries()
        self._tokens = {self._machine_id, *(_entry_token(entry) for entry in self.normal_entries)}

    def _with_exact_values(self, entry: bls.Type1Entry) -> bls.Type1Entry:
        """Return an entry with its values byte for byte, since they are written back."""
        return entry._replace(values=bls.parse(self._text(entry.file)))

    def _find_normal_entries(self) -> tuple[bls.Type1Entry, ...]:
        return tuple(entry for entry in self.all_entries if self._is_normal(entry))

    def _is_normal(self, entry: bls.Type1Entry) -> bool:
        return (
            self.version(entry) in self._installed
            and entry.first("linux") is not None
            and not self._is_foreign(entry)
            and _entry(entry).role == BOOTS_KERNEL
        )

    @property
    def fallback_prefix(self) -> str | None:
        """The path of this system's fallback entries up to the version; None if file names have no version."""
        if not self.normal_entries or self._is_handwritten:
            return None
        order = {version: position for position, version in enumerate(self._kernels)}
        newest = min(self.normal_entries, key=lambda entry: order[self.version(entry) or ""])
        return self._fallback_path(newest, "")

    def fallback_id(self, entry: bls.Type1Entry) -> str:
        """Return the identifier of the fallback entry that corresponds to a normal entry."""
        return self._fallback_path(entry, entry.first("version") or "").rpartition("/")[2]

    def _fallback_path(self, entry: bls.Type1Entry, version: str) -> str:
        directory = entry.file.rpartition("/")[0]
        return f"{directory}/{_entry_token(entry)}{self._dialect.fallback_infix}{version}"

    def lines(self) -> tuple[EntryLine, ...]:
        """Return the entries that boot a kernel."""
        return tuple(
            EntryLine(
                id=entry.id,
                title=entry.first("title") or entry.id,
                version=self.version(entry),
                path=entry.file,
                line=self._line(entry),
                role=self._role(entry),
                text=self._arguments(entry),
            )
            for entry in self.all_entries
            if entry.first("linux")
        )

    def steps(self, change: Change, indirect: Collection[str] = ()) -> Iterator[Step]:
        """Yield the steps that change entries: fallback entries before those that get managed arguments.

        Args:
            change: The change to make.
            indirect: Identifiers of entries that refer to arguments elsewhere, and so are left as they are.
        """
        after = {(line.path, line.name): line.after for line in change.entries}
        requested = self._requested_fallbacks(change, after)
        yield from self._fallback_steps(requested)
        for entry in self.all_entries:
            if (entry.file, entry.id) in after and entry.id not in indirect:
                before = self._text(entry.file)
                text = with_options(before, after[entry.file, entry.id], self._dialect.takes_all_options)
                if text != before:
                    yield WriteFile(entry.file, text, STAGED, f"update the arguments of the entry {entry.id}")
        # Last: the boot loader's default may be one of them, while the normal entries have other arguments.
        for entry in self.all_entries:
            if self._role(entry) == FALLBACK and entry.file not in requested:
                yield RemoveFile(entry.file, STAGED, "its kernel was removed, or no kernel arguments are requested")

    def _requested_fallbacks(self, change: Change, after: dict[tuple[str, str], str]) -> dict[str, tuple[str, str]]:
        """Return by path the identifier of the entry that each fallback entry corresponds to, and its text."""
        requested: dict[str, tuple[str, str]] = {}
        for entry in self.normal_entries if change.fallback else ():
            arguments = cmdline.without(after.get((entry.file, entry.id), self._arguments(entry)), change.new)
            text = fallback_text(self._text(entry.file), arguments, self._dialect.takes_all_options)
            path = self._fallback_path(entry, entry.first("version") or "") + ".conf"
            requested.setdefault(path, (entry.id, text))
        return requested

    def _fallback_steps(self, requested: dict[str, tuple[str, str]]) -> Iterator[Step]:
        existing = {entry.file: entry for entry in self.all_entries}
        for path, (entry_id, text) in requested.items():
            if path not in existing or not is_equivalent(existing[path].values, bls.parse(text)):
                yield WriteFile(path, text, STAGED, f"write the entry without VFIO that corresponds to {entry_id}")

    def _role(self, entry: bls.Type1Entry) -> str:
        if entry in self.normal_entries:
            return NORMAL
        match = _FALLBACK_ID.match(entry.id)
        is_own = match is not None and match.group("token") in self._tokens and not self._is_foreign(entry)
        return FALLBACK if is_own else OTHER

    def version(self, entry: bls.Type1Entry) -> str | None:
        """Return the version of the kernel that an entry boots: as the entry has it, or its image."""
        version = entry.first("version")
        if version in self._installed or not self._is_handwritten:
            return version
        partition = entry.file.rpartition("/loader/entries/")[0]
        return kernel_release(self._tree, partition + (entry.first("linux") or "")) or version

    def _is_foreign(self, entry: bls.Type1Entry) -> bool:
        """Tell whether an entry has the machine-id of another system."""
        match = _MACHINE_ID.match(entry.id)
        machine_id = entry.first("machine-id") or (match.group() if match else "")
        return bool(machine_id and self._machine_id and machine_id != self._machine_id)

    def _arguments(self, entry: bls.Type1Entry) -> str:
        values = [value for value in entry.values.get("options", ()) if value]
        return self._expand(" ".join(values if self._dialect.takes_all_options else values[:1]))

    def _line(self, entry: bls.Type1Entry) -> int | None:
        text = self._text(entry.file)
        lines = options_lines(text, self._dialect.takes_all_options)
        return text.count("\n", 0, lines[-1].start()) + 1 if lines else None

    def _text(self, path: str) -> str:
        return self._tree.exact(path) or ""


def _entry(entry: bls.Type1Entry) -> Entry:
    return Entry(
        id=entry.id,
        title=entry.first("title") or entry.id,
        version=entry.first("version"),
        linux=entry.first("linux"),
        initrds=entry.values.get("initrd", ()),
        cmdline=entry.joined("options") or "",
        file=entry.file,
    )


def _entry_token(entry: bls.Type1Entry) -> str:
    """Return what precedes the version in an identifier: kernel-install's entry token, by default the machine-id."""
    end = "-" + (entry.first("version") or "")
    return entry.id[: -len(end)] if entry.id.endswith(end) else entry.id
