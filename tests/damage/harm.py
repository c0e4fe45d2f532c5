# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damages a tree of files in place and undoes it, so that one tree is used for thousands of examples."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from ..machines import build

#: Damage that removes content and adds nothing that can be read.
LOSSES = ("gone", "empty", "fifo", "folder", "dangling", "loop", "escape", "huge", "socket")
_LINKS = ("dangling", "loop", "escape")
_READ_AS_LINKS = ("/driver", "/iommu_group")
_CHANGES = (
    "absurd",
    "absurd",
    "content",
    "truncated",
    "flipped",
    "doubled",
    "swapped",
    "redirected",
    "file",
    "strangers",
)

#: Content that a careless parser misreads or fails on.
_ABSURD = [
    b"\x00",
    b"\x00\x00\x00\x00",
    b"\n",
    b" \t\n",
    b"-1\n",
    b"0\n",
    b"1\n",
    b"99999999999999999999999999\n",
    b"-99999999999\n",
    b"0x\n",
    b"0xffffffffffffffffffff\n",
    b"1e9\n",
    b"nan\n",
    b"inf\n",
    b"4294967296\n",
    b"65536\n",
    b"0-4294967295\n",
    b"0-60000\n",
    b"7-2\n",
    b",\n",
    b"0,,1\n",
    b"0-\n",
    b"-\n",
    b"(null)\n",
    b"\xff\xfe\xfd\n",
    b"caf\xc3\xa9\n",
    b"caf\xe9\n",
    b"\x1b[31m\n",
    b"%s%n\n",
    b"=\n",
    b"=====\n",
    b":\n",
    b" - \n",
    b"[]\n",
    b"[none\n",
    b"Y\n",
    b"a" * 5000,
    b"0,2," * 1500,
    b"\xe2\x80\xae\n",
    b"\xd9\xa3\n",
    b"32\xe2\x84\xaa\n",
    b"0x\xd9\xa3\n",
    b"\xb2\n",
    b"\xc2\xb2\n",
    b"12_000\n",
    b"+5\n",
    b" 5 6\n",
    b"../../..\n",
    b"/\n",
    b"32768KK\n",
    b"999999999999G\n",
    b"GT/s\n",
    b"999 GT/s PCIe\n",
    b"enabled\n",
    b"{}\n",
    b"1\n" * 3000,
    b"\r\n1\r\n",
    b"\x0c\x0b\x1c\x85\n",
]
#: Files that are read only if others cannot be read.
_SECOND_CHOICE = (
    "vendor",
    "device",
    "class",
    "subsystem_vendor",
    "subsystem_device",
    "thread_siblings_list",
    "core_cpus",
    "thread_siblings",
    "cpumap",
    "shared_cpu_map",
    "local_cpus",
    "offline",
)
_NOT_UTF8 = b"caf\xe9"
#: Replacements for one number in otherwise unchanged text.
_NUMBERS = [
    b"-1",
    b"0",
    b"7-2",
    b"0-4294967295",
    b"4294967296",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"1_0",
    b"+1",
    b"1.5",
    b"1e3",
    b"0x",
    b"",
    b" ",
    "\N{ARABIC-INDIC DIGIT THREE}".encode(),
    "\N{SUPERSCRIPT TWO}".encode(),
    b"\xff",
    b"1\x00",
]
_LETTERS = [
    (b"K", "\N{KELVIN SIGN}".encode()),
    (b"0x", b"0X0x"),
    (b" ", "\N{NO-BREAK SPACE}".encode()),
    (b":", b"::"),
    (b"=", b""),
    (b"\n", b"\r"),
    (b"/", b"//../"),
]


class Damage(NamedTuple):
    """A damage to a file; its kind determines whether `other` is an offset, a choice of content, or another file."""

    kind: str
    where: int
    which: int
    other: int
    content: bytes


class Damaged(NamedTuple):
    """A damage that was done to a path."""

    path: str
    kind: str
    content: bytes  # the content that can be read there now, if any

    @property
    def is_loss(self) -> bool:
        """Whether the damage adds nothing that can be read. Of some links, the last component of the target is read."""
        return self.kind in LOSSES and not (self.kind in _LINKS and self.path.endswith(_READ_AS_LINKS))


def damages(most: int = 5) -> st.SearchStrategy[list[Damage]]:
    """Return lists of damages for any specimen: numbers choose among its files, whatever their count."""
    pick = st.integers(0, 2**20)
    content = st.one_of(
        st.sampled_from(_ABSURD),
        st.binary(max_size=64),
        st.text("0123456789abcdefx-,: \n", max_size=24).map(str.encode),
    )
    damage = st.builds(Damage, st.sampled_from(LOSSES + _CHANGES), pick, pick, pick, content)
    return st.lists(damage, min_size=1, max_size=most)


class _OpenRecorder:
    """Records which files are opened while `during` runs."""

    def __init__(self) -> None:
        self._opened: set[str] | None = None
        sys.addaudithook(self._record)  # it cannot be removed, and does nothing unless `during` runs

    def _record(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._opened is not None and event == "open" and isinstance(arguments[0], str):
            self._opened.add(arguments[0])

    def during(self, act: Callable[[], object]) -> frozenset[str]:
        """Return the paths that `act` opens."""
        self._opened = set()
        try:
            act()
            return frozenset(self._opened)
        finally:
            self._opened = None


_OPENED = _OpenRecorder()


class Specimen:
    """A described machine's files, with a folder for the originals of replaced files."""

    def __init__(self, name: str, folder: Path, read: Callable[[str], object]) -> None:
        self.name = name
        self.root = folder / "root"
        self._stash = folder / "stash"
        self._stash.mkdir()
        self._outside = folder / "outside"
        build(name, self.root)
        _write_canaries(self._outside)
        self._kinds = self._by_kind(_OPENED.during(lambda: read(str(self.root))))

    def _by_kind(self, opened: frozenset[str]) -> list[list[str]]:
        """Return folders, links and opened files by kind, so that each kind is damaged equally often.

        Otherwise a thousand attributes of functions would leave no example for the only /proc/cpuinfo. Files that the
        probe does not open are left out.
        """
        files: dict[str, list[str]] = {}
        others: dict[str, list[str]] = {}
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                here = os.path.join(folder, name)
                is_file = name in names and not os.path.islink(here)
                if is_file and here not in opened and name not in _SECOND_CHOICE:
                    continue
                path = here[len(str(self.root)) :]
                kinds = files if is_file else others
                kinds.setdefault(re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", path), []).append(path)
        weight = 4  # false values come from files rather than from folders and links
        return [sorted(paths) for kinds in (files,) * weight + (others,) for _kind, paths in sorted(kinds.items())]

    def _pick(self, where: int, which: int) -> str:
        paths = self._kinds[where % len(self._kinds)]
        return paths[which % len(paths)]

    @contextlib.contextmanager
    def damaged(self, injuries: list[Damage]) -> Iterator[list[Damaged]]:
        """Damage the files in this context, and yield the damages done. A path that is already gone is skipped."""
        moved: list[tuple[str, str]] = []
        done: list[Damaged] = []
        try:
            for injury in injuries:
                path = self._pick(injury.where, injury.which)
                here = f"{self.root}{path}"
                # A link out of the root that is doubled or swapped would bring in what it leads to.
                if path in [damage.path for damage in done]:
                    continue
                if not os.path.lexists(here) or not _inside(here, str(self.root)):
                    continue
                original = f"{self._stash}/{len(moved)}"
                os.rename(here, original)
                moved.append((here, original))
                done.append(Damaged(path, injury.kind, self._inflict(here, original, injury)))
            yield done
        finally:
            for here, original in reversed(moved):
                _discard(here)
                os.rename(original, here)

    def _inflict(self, here: str, original: str, injury: Damage) -> bytes:
        if injury.kind in LOSSES:
            self._lose(here, _content(original), injury)
            return os.fsencode(os.readlink(here)) if os.path.islink(here) else b""
        if injury.kind == "redirected":
            target = self._pick(injury.other, injury.which)
            os.symlink(
                target if injury.which % 2 else os.path.relpath(f"{self.root}{target}", os.path.dirname(here)), here
            )
            return target.encode() + b"\n" + _content(f"{self.root}{target}")
        if injury.kind == "strangers":
            os.mkdir(here)
            for name in (_NOT_UTF8, b"0", b"-1", b"99999999999", b"cpu0", b"node0", b"0000:00:00.0", b"\xd9\xa3"):
                os.mkdir(os.fsencode(here) + b"/" + name)
            return b""
        before = _content(original)
        if injury.kind == "truncated":
            content = before[: injury.other % (len(before) + 1)]
        elif injury.kind == "flipped":
            position = injury.other % (len(before) + 1)
            content = before[:position] + injury.content[:1] + before[position + 1 :]
        elif injury.kind == "absurd":
            content = _absurd(before, injury)
        elif injury.kind == "doubled":
            content = before + before
        elif injury.kind == "swapped":
            content = _content(f"{self.root}{self._pick(injury.other, injury.where)}")
        else:
            content = injury.content
        Path(here).write_bytes(content)
        return content

    def _lose(self, here: str, before: bytes, injury: Damage) -> None:
        if injury.kind == "empty":
            Path(here).touch()
        elif injury.kind == "fifo":
            os.mkfifo(here)
        elif injury.kind == "socket":
            os.mknod(here, 0o140600)
        elif injury.kind == "folder":
            os.mkdir(here)
        elif injury.kind == "dangling":
            os.symlink(f"/nowhere/{os.fsdecode(_NOT_UTF8)}" if injury.other % 2 else "nowhere", here)
        elif injury.kind == "loop":
            os.symlink(os.path.basename(here), here)
        elif injury.kind == "escape":
            target = f"{self._outside}/{_canary_like(before)}"
            up = "../" * 40
            os.symlink(target if injury.which % 2 else f"{up}{target.lstrip('/')}", here)
        elif injury.kind == "huge":
            with open(here, "wb") as file:
                file.truncate(1 << 40)


#: Files outside the root whose content must never be in a reading: each looks like a plausible value.
CANARIES = {
    "hex": "0xcafe",
    "number": "61453",
    "list": "61440-61453",
    "text": "canary-text",
    "uevent": "DRIVER=canary-driver\nPCI_CLASS=CAFE00\nPCI_ID=CAFE:CAFE\nPCI_SUBSYS_ID=CAFE:CAFE\n",
    "meminfo": "MemTotal:       61453 kB\n",
    "cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: canary-model\n",
}
#: The values that a reading of the canaries would have.
MARKS = ("cafe", "61453", "62927872", "canary-")


def _canary_like(content: bytes) -> str:
    """Return the name of the canary that resembles this content; the folder if none does."""
    patterns = [
        (rb"0x[0-9a-f]+\n", "hex"),
        (rb"[0-9]+\n", "number"),
        (rb"[0-9,-]+\n", "list"),
        (rb"(?s).*PCI_ID=.*", "uevent"),
        (rb"(?s).*MemTotal:.*", "meminfo"),
        (rb"(?s)processor.*", "cpuinfo"),
        (rb"(?s).+", "text"),
    ]
    return next((name for pattern, name in patterns if re.fullmatch(pattern, content)), "folder")


def _absurd(before: bytes, injury: Damage) -> bytes:
    """Return the text with one number, or every occurrence of one character, replaced."""
    matches = list(re.finditer(rb"[0-9]+", before))
    choice = injury.other % (len(_NUMBERS) + len(_LETTERS))
    if choice >= len(_NUMBERS):
        return before.replace(*_LETTERS[choice - len(_NUMBERS)])
    if not matches:
        return injury.content
    number = matches[injury.where % len(matches)]
    return before[: number.start()] + _NUMBERS[choice] + before[number.end() :]


def _write_canaries(folder: Path) -> None:
    for name, text in CANARIES.items():
        (folder / "folder").mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")
        (folder / "folder" / f"canary-{name}").write_text(text, encoding="ascii")


def _content(path: str) -> bytes:
    """Return the content of a regular file; a file of a device's size counts as empty."""
    try:
        return Path(path).read_bytes() if os.path.isfile(path) and os.path.getsize(path) < 1 << 20 else b""
    except OSError:
        return b""


def _inside(here: str, root: str) -> bool:
    """Return whether a path is reached without links, through which another file would be damaged."""
    return os.path.realpath(os.path.dirname(here)) == os.path.dirname(here) and here.startswith(root)


def _discard(here: str) -> None:
    if os.path.isdir(here) and not os.path.islink(here):
        shutil.rmtree(here)
    elif os.path.lexists(here):
        os.unlink(here)
