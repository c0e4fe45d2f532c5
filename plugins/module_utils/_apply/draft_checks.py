# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a generated file must pass before it takes the place of one that the machine boots from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator

from .._machine import cmdline
from .._machine.boot_config import FALLBACK, NORMAL
from .._machine.plan import DRAFT
from .._plan.boot.loaders.grub import role
from .._probe.boot import grub
from .._probe.boot.entry import Entry
from .._probe.boot.image_headers import Sections
from .._probe.boot.kernels import bases, find_file
from .._probe.boot.systemd_boot import esp_folders
from .._probe.boot.versions import version_in_name

if TYPE_CHECKING:
    from .._probe.boot.grub_menu import Menu
    from .._probe.tree import Tree

#: The distribution's own checkers, by check; the first one that is there is run on the draft.
TOOL_CHECKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "grub.cfg": (
        ("/usr/bin/grub-script-check", DRAFT),
        ("/usr/bin/grub2-script-check", DRAFT),
    ),
}

#: What else a unified kernel image may have (UAPI.5), by ukify's configuration or by kernel-install's plugins.
_EXTRAS = (".splash", ".ucode", ".dtb", ".dtbauto", ".hwids", ".efifw", ".sbat", ".pcrsig", ".pcrpkey", ".profile")

_LIMIT = 1 << 20
#: In `### BEGIN /etc/grub.d/10_linux ###`, which grub-mkconfig writes before what a script prints, and likewise behind.
_WORDS = 4


def check_grub_config(tree: Tree, draft: str) -> list[str]:
    """Return what is wrong with a new grub.cfg, against the files that are there and the one in use."""
    esps = esp_folders(tree)
    new = grub.read_file(tree, draft)
    _file, old = grub.read_config(tree, esps)
    if new is None:
        return ["it can't be read"]
    entries = [entry for entry in new.entries if role(entry) in (NORMAL, FALLBACK)]
    if not any(role(entry) == NORMAL for entry in entries):
        return ["it has no entry for a kernel of this system"]
    places = bases(esps)
    problems = [*_unfinished(tree, draft), *_missing_files(tree, places, entries), *_other_roots(old, entries)]
    if old is not None:
        problems.extend(_lost_kernels(tree, places, old, new))
        problems.extend(_lost_initramfs(old, entries))
    return problems


def check_unified_image(tree: Tree, draft: str) -> list[str]:
    """Return what is wrong with a new unified kernel image, against the one beside it that it is to replace."""
    new = Sections(tree, draft)
    missing = [name for name in (".linux", ".initrd", ".cmdline", ".uname", ".osrel") if name not in new]
    if missing:
        return [f"it lacks the sections {', '.join(missing)}"]
    status = tree.status(draft)
    if status is None or status.st_size < new.end:
        # The table of sections comes first, so that a file that was cut off still has it.
        return [f"it ends before its sections do, which take {new.end} bytes"]
    folder, _slash, name = draft.rpartition("/")
    # A draft's name is the file's with something before and after it.
    named = [one for one in tree.names(folder) if one.lower().endswith(".efi") and one in name]
    if not named:
        return []
    old = Sections(tree, f"{folder}/{max(named, key=len)}")
    problems = [f"it lacks {one}, which the image in use has" for one in _EXTRAS if one in old and one not in new]
    release, former = new.text(".uname"), old.text(".uname")
    if release != former:
        problems.append(f"it is for the kernel {release}, and the image in use for {former}")
    root, former = _root_in(new.text(".cmdline")), _root_in(old.text(".cmdline"))
    if root != former:
        problems.append(f"it has root={root}, and the image in use has root={former}")
    return problems


def _unfinished(tree: Tree, draft: str) -> Iterator[str]:
    """Our reader takes a file that was cut off as far as it goes; GRUB loses an entry that has no end."""
    lines = (line.split() for line in (tree.text(draft, _LIMIT) or "").splitlines() if line.startswith("### "))
    marks = {(line[1], line[2]) for line in lines if len(line) == _WORDS}
    for kind, name in sorted(marks):
        if kind == "BEGIN" and ("END", name) not in marks:
            yield f"what {name} printed has no end"


def _missing_files(tree: Tree, places: tuple[str, ...], entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        for path in (entry.linux, *entry.initrds):
            if path and find_file(tree, places, path) is None:
                yield f"the entry {entry.title!r} names {path}, which is not there"


def _other_roots(old: Menu | None, entries: list[Entry]) -> Iterator[str]:
    roots = {_root(entry) for entry in (old.entries if old else ()) if role(entry) == NORMAL}
    for entry in entries:
        root = _root(entry)
        # SUSE has a variable that takes root= out, for initramfs images that know it.
        if not root and "" not in roots:
            yield f"the entry {entry.title!r} has no root="
        elif roots and root not in roots:
            yield f"the entry {entry.title!r} has root={root}, and those in use have {', '.join(sorted(roots))}"


def _lost_kernels(tree: Tree, places: tuple[str, ...], old: Menu, new: Menu) -> Iterator[str]:
    kept = {entry.linux for entry in new.entries if role(entry) == NORMAL}
    for entry in old.entries:
        is_there = role(entry) == NORMAL and find_file(tree, places, entry.linux) is not None
        if is_there and entry.linux not in kept:
            yield f"the kernel {version_in_name(entry.linux or '') or entry.linux} has no entry any more"


def _lost_initramfs(old: Menu, entries: list[Entry]) -> Iterator[str]:
    having = {entry.linux for entry in old.entries if role(entry) == NORMAL and entry.initrds}
    for entry in entries:
        if entry.linux in having and not entry.initrds:
            yield f"the entry {entry.title!r} names no initramfs, and the one in use does"


def _root(entry: Entry) -> str:
    return _root_in(entry.cmdline)


def _root_in(text: str | None) -> str:
    return next((one.value or "" for one in cmdline.parse(text or "").arguments if one.name == "root"), "")


#: By the name that a step gives.
CHECKS: dict[str, Callable[[Tree, str], list[str]]] = {"grub.cfg": check_grub_config, "uki": check_unified_image}
