# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB: its configuration files, and the entries in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

from . import bls
from .entry import Entry
from .grub_menu import Menu, kernel_arguments, read_menu, without_device
from .grub_script import Variables, commands

if TYPE_CHECKING:
    from ..tree import Tree

#: Debian, Arch and Gentoo have the first; Fedora and SUSE the second.
FOLDERS = ("/boot/grub", "/boot/grub2")
BLS_FOLDER = "/boot/loader/entries"
_CONFIG_LIMIT = 1 << 20
_ENVIRONMENT_LIMIT = 65536
_LINE = re.compile(r"(?:[^\\\n]|\\.)+", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def config_files(tree: Tree, esps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the grub.cfg that are there, the one with the menu before those that only lead to it.

    Older Fedora and RHEL on UEFI keep the menu in the EFI system partition, others a stub of three lines.
    """
    files = [f"{folder}/grub.cfg" for folder in FOLDERS]
    for esp in esps:
        files.extend(f"{esp}/EFI/{name}/grub.cfg" for name in tree.names(esp + "/EFI")[:64])
    return tuple(file for file in files if tree.exists(file))


def read_entries(tree: Tree, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the entries of GRUB's menu, in its order."""
    offers_bls = None
    menu = None
    for file in config_files(tree, esps):
        text = tree.text(file, _CONFIG_LIMIT)
        if text is None:
            continue
        menu = _menu(tree, file, text)
        offers_bls = menu.blscfg
        if menu.entries or menu.blscfg:
            break
    if offers_bls is None:
        offers_bls = _asks_for_bls(tree)
    entries = menu.entries if menu else ()
    if not offers_bls:
        return entries
    variables = menu.variables if menu else Variables(environment(tree, FOLDERS[1]))
    found = (_bls_entry(entry, variables) for entry in bls.read_entries(tree, BLS_FOLDER))
    return entries + tuple(entry for entry in found if entry is not None)


def read_config(tree: Tree, esps: tuple[str, ...]) -> tuple[str | None, Menu | None]:
    """Return the grub.cfg that has the menu, by its path, and what it offers; None for what is not there."""
    first: str | None = None
    for file in config_files(tree, esps):
        menu = read_file(tree, file)
        if menu is not None and (menu.entries or menu.blscfg):
            return file, menu
        first = first or file
    return first, None


def read_file(tree: Tree, file: str) -> Menu | None:
    """Return what one grub.cfg offers, by whatever name; None where it can't be read."""
    text = tree.text(file, _CONFIG_LIMIT)
    return None if text is None else _menu(tree, file, text)


def environment(tree: Tree, folder: str) -> dict[str, str]:
    """Return the variables of a folder's grubenv, which `load_env` reads."""
    return parse_environment(tree.text(folder + "/grubenv", _ENVIRONMENT_LIMIT) or "")


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables of an environment block (grub-core/lib/envblk.c): a backslash escapes what follows it."""
    values = {}
    for line in _LINE.findall(text):
        name, found, value = line.partition("=")
        if found and not line.startswith("#"):
            values[name] = _ESCAPE.sub(r"\1", value)
    return values


def _menu(tree: Tree, file: str, text: str) -> Menu:
    folder = file.rpartition("/")[0]
    variables = Variables(
        {"menuentry_id_option": "--id", "prefix": folder, "config_directory": folder, **environment(tree, folder)}
    )
    return read_menu(text, file, variables, _reader(tree, folder))


def _reader(tree: Tree, folder: str) -> Callable[[str], str | None]:
    """Return what reads a file that grub.cfg sources. What is sourced by a path elsewhere is no file of ours."""

    def read(path: str) -> str | None:
        # On a separate /boot, GRUB's /grub is our /boot/grub.
        for file in (path, "/boot" + path):
            if file.startswith(folder + "/") and ".." not in file:
                return tree.text(file, _CONFIG_LIMIT)
        return None

    return read


def _asks_for_bls(tree: Tree) -> bool:
    """Tell whether /etc/default/grub asks for boot loader specification entries; for where grub.cfg can't be read."""
    wanted = ""
    nothing = Variables({})
    for command in commands(tree.text("/etc/default/grub") or ""):
        for word in nothing.expand(command.words[:1]):
            name, _equals, value = word.partition("=")
            wanted = value if name == "GRUB_ENABLE_BLSCFG" else wanted
    return wanted == "true"


def _bls_entry(entry: bls.Type1, variables: Variables) -> Entry | None:
    """Return an entry as Fedora's blscfg makes it: variables are put in as text, then GRUB's shell reads the line."""
    linux = entry.first("linux")
    if not linux:
        return None
    options = entry.first("options")  # create_entry() of blscfg.c takes no more
    if options is None:
        options = variables.get("default_kernelopts")
    title = entry.first("title") or entry.id
    arguments = _arguments(options, variables)
    initrds = _arguments(entry.joined("initrd") or "", variables)
    return Entry(
        id=entry.id,
        title=title,
        version=entry.first("version"),
        linux=without_device(linux),
        initrds=tuple(without_device(path) for path in initrds),
        cmdline=kernel_arguments(arguments),
        file=entry.file,
    )


def _arguments(text: str, variables: Variables) -> list[str]:
    for command in commands("linux " + variables.substitute(text).replace("\n", " ")):
        return variables.expand(command.words)[1:]
    return []
