# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB's configuration files, and the menu entries in them."""

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
DIRECTORIES = ("/boot/grub", "/boot/grub2")
BLS_DIRECTORY = "/boot/loader/entries"
_CONFIG_LIMIT = 1 << 20
_ENVIRONMENT_LIMIT = 65536
_MAX_VENDORS = 64  # directories below EFI/ of an EFI system partition
_LINE = re.compile(r"(?:[^\\\n]|\\.)+", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def config_files(tree: Tree, esps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the grub.cfg files that exist, those in /boot first.

    Older Fedora and RHEL on UEFI have the menu on the EFI system partition; others have a stub of three lines there.
    """
    files = [f"{directory}/grub.cfg" for directory in DIRECTORIES]
    for esp in esps:
        files.extend(f"{esp}/EFI/{name}/grub.cfg" for name in tree.names(esp + "/EFI")[:_MAX_VENDORS])
    return tuple(file for file in files if tree.exists(file))


def read_entries(tree: Tree, esps: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the entries of GRUB's menu, in its order."""
    has_bls = None
    menu = None
    for file in config_files(tree, esps):
        text = tree.text(file, _CONFIG_LIMIT)
        if text is None:
            continue
        menu = _menu(tree, file, text)
        has_bls = menu.blscfg
        if menu.entries or menu.blscfg:
            break
    if has_bls is None:
        has_bls = _enables_bls(tree)
    entries = menu.entries if menu else ()
    if not has_bls:
        return entries
    variables = menu.variables if menu else Variables(environment(tree, DIRECTORIES[1]))
    bls_entries = (_bls_entry(entry, variables) for entry in bls.read_entries(tree, BLS_DIRECTORY))
    return entries + tuple(entry for entry in bls_entries if entry is not None)


def read_config(tree: Tree, esps: tuple[str, ...]) -> tuple[str | None, Menu | None]:
    """Return the path of the grub.cfg that has the menu, and that menu.

    Where no grub.cfg has one, return the path of the first grub.cfg, or None, and no menu.
    """
    first: str | None = None
    for file in config_files(tree, esps):
        menu = read_file(tree, file)
        if menu is not None and (menu.entries or menu.blscfg):
            return file, menu
        first = first or file
    return first, None


def read_file(tree: Tree, file: str) -> Menu | None:
    """Return the menu in a grub.cfg, whatever the file's name; None if it can't be read."""
    text = tree.text(file, _CONFIG_LIMIT)
    return None if text is None else _menu(tree, file, text)


def environment(tree: Tree, directory: str) -> dict[str, str]:
    """Return the variables in a directory's grubenv, which `load_env` reads."""
    return parse_environment(tree.text(directory + "/grubenv", _ENVIRONMENT_LIMIT) or "")


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables in an environment block (grub-core/lib/envblk.c): a backslash escapes the next character."""
    values = {}
    for line in _LINE.findall(text):
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values[name] = _ESCAPE.sub(r"\1", value)
    return values


def _menu(tree: Tree, file: str, text: str) -> Menu:
    directory = file.rpartition("/")[0]
    variables = Variables(
        {
            "menuentry_id_option": "--id",
            "prefix": directory,
            "config_directory": directory,
            **environment(tree, directory),
        }
    )
    return read_menu(text, file, variables, _source_reader(tree, directory))


def _source_reader(tree: Tree, directory: str) -> Callable[[str], str | None]:
    """Return a function that reads the files that grub.cfg sources, as far as they are below its own directory."""

    def read(path: str) -> str | None:
        # With a separate /boot, GRUB's /grub is this machine's /boot/grub.
        for file in (path, "/boot" + path):
            if file.startswith(directory + "/") and ".." not in file:
                return tree.text(file, _CONFIG_LIMIT)
        return None

    return read


def _enables_bls(tree: Tree) -> bool:
    """Return whether /etc/default/grub enables BLS entries; this decides where no grub.cfg can be read."""
    setting = ""
    no_variables = Variables({})
    for command in commands(tree.text("/etc/default/grub") or ""):
        for word in no_variables.expand(command.words[:1]):
            name, _equals, value = word.partition("=")
            setting = value if name == "GRUB_ENABLE_BLSCFG" else setting
    return setting == "true"


def _bls_entry(entry: bls.Type1Entry, variables: Variables) -> Entry | None:
    """Return the entry that Fedora's blscfg makes of a BLS entry.

    It substitutes variables as text, then GRUB's shell parses the line.
    """
    linux = entry.first("linux")
    if not linux:
        return None
    options = entry.first("options")  # create_entry() of blscfg.c ignores further lines
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
