# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks that a generated file must pass before it replaces one that the host boots from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator

from .._machine import cmdline
from .._machine.boot_config import FALLBACK, NORMAL
from .._machine.plan import DRAFT
from .._plan.boot.loaders.grub_entries import role
from .._probe.boot import grub
from .._probe.boot.entry import Entry
from .._probe.boot.image_headers import Sections
from .._probe.boot.kernels import boot_directories, find_file
from .._probe.boot.systemd_boot import esp_mount_points
from .._probe.boot.versions import version_in_name

if TYPE_CHECKING:
    from .._probe.boot.grub_menu import Menu
    from .._probe.tree import Tree

#: The distributions' own checkers, by the name of the check; the first one that is installed is run on the draft.
TOOL_CHECKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "grub.cfg": (
        ("/usr/bin/grub-script-check", DRAFT),
        ("/usr/bin/grub2-script-check", DRAFT),
    ),
}

#: The sections that any unified kernel image of this system has (UAPI.5).
_REQUIRED_SECTIONS = (".linux", ".initrd", ".cmdline", ".uname", ".osrel")
#: Those that it may have, too, from ukify's configuration or from plugins of kernel-install.
_OPTIONAL_SECTIONS = (
    ".splash",
    ".ucode",
    ".dtb",
    ".dtbauto",
    ".hwids",
    ".efifw",
    ".sbat",
    ".pcrsig",
    ".pcrpkey",
    ".profile",
)

_CONFIG_LIMIT = 1 << 20
#: `### BEGIN /etc/grub.d/10_linux ###`: grub-mkconfig writes such a line before the output of a script, and one with
#: END after it.
_MARKER_WORDS = 4


def check_grub_config(tree: Tree, draft: str) -> list[str]:
    """Return the problems of a new grub.cfg, compared with the installed files and the grub.cfg in use."""
    esps = esp_mount_points(tree)
    new = grub.read_file(tree, draft)
    _file, old = grub.read_config(tree, esps)
    if new is None:
        return ["it can't be read"]
    entries = [entry for entry in new.entries if role(entry) in (NORMAL, FALLBACK)]
    if not any(role(entry) == NORMAL for entry in entries):
        return ["it has no entry for a kernel of this system"]
    directories = boot_directories(esps)
    problems = [
        *_truncated_output(tree, draft),
        *_missing_files(tree, directories, entries),
        *_changed_roots(old, entries),
    ]
    if old is not None:
        problems.extend(_lost_kernels(tree, directories, old, new))
        problems.extend(_lost_initramfs(old, entries))
    return problems


def check_unified_image(tree: Tree, draft: str) -> list[str]:
    """Return the problems of a new unified kernel image, compared with the one beside it that it is to replace."""
    new = Sections(tree, draft)
    missing = [name for name in _REQUIRED_SECTIONS if name not in new]
    if missing:
        return [f"it lacks the sections {', '.join(missing)}"]
    status = tree.status(draft)
    if status is None or status.st_size < new.end:
        # The section table comes first, so that a truncated file still has it.
        return [f"it is truncated: its sections take {new.end} bytes"]
    directory, _slash, draft_name = draft.rpartition("/")
    # The name of a draft contains that of the image.
    images = [name for name in tree.names(directory) if name.lower().endswith(".efi") and name in draft_name]
    if not images:
        return []
    return _differences(Sections(tree, f"{directory}/{max(images, key=len)}"), new)


def _differences(old: Sections, new: Sections) -> list[str]:
    """Return what a new unified kernel image lacks, or has otherwise, than the one in use."""
    lost = [name for name in _OPTIONAL_SECTIONS if name in old and name not in new]
    problems = [f"it lacks the section {name}, which the image in use has" for name in lost]
    new_release, old_release = new.text(".uname"), old.text(".uname")
    if new_release != old_release:
        problems.append(f"it is for kernel {new_release}, and the image in use is for {old_release}")
    new_root, old_root = _root_argument(new.text(".cmdline")), _root_argument(old.text(".cmdline"))
    if new_root != old_root:
        problems.append(f"it has root={new_root}, and the image in use has root={old_root}")
    return problems


def _truncated_output(tree: Tree, draft: str) -> Iterator[str]:
    """Yield the scripts whose output is truncated: our parser accepts that, but GRUB drops an unterminated entry."""
    lines = (line.split() for line in (tree.text(draft, _CONFIG_LIMIT) or "").splitlines() if line.startswith("### "))
    markers = {(line[1], line[2]) for line in lines if len(line) == _MARKER_WORDS}
    for kind, script in sorted(markers):
        if kind == "BEGIN" and ("END", script) not in markers:
            yield f"the output of {script} is truncated"


def _missing_files(tree: Tree, directories: tuple[str, ...], entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        for path in (entry.linux, *entry.initrds):
            if path and find_file(tree, directories, path) is None:
                yield f"the entry {entry.title!r} names {path}, which does not exist"


def _changed_roots(old: Menu | None, entries: list[Entry]) -> Iterator[str]:
    old_roots = {_root_argument(entry.cmdline) for entry in (old.entries if old else ()) if role(entry) == NORMAL}
    for entry in entries:
        root = _root_argument(entry.cmdline)
        # SUSE has a variable that omits root=, for initramfs images that know the root file system.
        if not root and "" not in old_roots:
            yield f"the entry {entry.title!r} has no root="
        elif old_roots and root not in old_roots:
            yield f"the entry {entry.title!r} has root={root}, and those in use have {', '.join(sorted(old_roots))}"


def _lost_kernels(tree: Tree, directories: tuple[str, ...], old: Menu, new: Menu) -> Iterator[str]:
    kernels = {entry.linux for entry in new.entries if role(entry) == NORMAL}
    for entry in old.entries:
        is_installed = role(entry) == NORMAL and find_file(tree, directories, entry.linux) is not None
        if is_installed and entry.linux not in kernels:
            yield f"the kernel {version_in_name(entry.linux or '') or entry.linux} no longer has an entry"


def _lost_initramfs(old: Menu, entries: list[Entry]) -> Iterator[str]:
    kernels_with_initramfs = {entry.linux for entry in old.entries if role(entry) == NORMAL and entry.initrds}
    for entry in entries:
        if entry.linux in kernels_with_initramfs and not entry.initrds:
            yield f"the entry {entry.title!r} names no initramfs, and the one in use does"


def _root_argument(text: str | None) -> str:
    """Return the value of root= on a command line; an empty string if there is none."""
    arguments = cmdline.parse(text or "").arguments
    return next((argument.value or "" for argument in arguments if argument.name == "root"), "")


#: By the name that a step gives.
CHECKS: dict[str, Callable[[Tree, str], list[str]]] = {"grub.cfg": check_grub_config, "uki": check_unified_image}
