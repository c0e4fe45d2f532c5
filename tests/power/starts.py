# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine would start from a disk: the facts of its default entry and of all others, or why it would not.

A fact is a name and a value, such as `default: initrd 0` and the hash of its content. A power cut may leave each fact
as it was before a step of the change or as it is after that step, and nothing else.
"""

from __future__ import annotations

import pathlib
import re
import tempfile
import typing

from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot import bls, grub
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.entry import Entry
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_menu import read_menu
from ansible_collections.vfio.workstation.plugins.module_utils._probe.boot.grub_script import Variables

from .views import Files, GrubView

Facts = dict[str, str]

COMMAND_LINE = "default: command line"

_INSMOD = re.compile(r"^\s*insmod\s+(\w+)\s*$", re.MULTILINE)
#: What the menu has for trial boots (grub_trial.py): the entry that is booted unless the block says otherwise.
_STOCK = re.compile(r'^ +set default="(vfio-workstation-fallback>[^"]+)"$', re.MULTILINE)
_BLOCK = "vfio-workstation.env"
_OWN_DEFAULT = ("armed", "final")
_DEFAULT = re.compile(r'^\s*set default="(.*)"\s*$', re.MULTILINE)
_PLATFORMS = ("x86_64-efi", "i386-pc")


class Unbootable(Exception):
    """The machine would not start its system, for the reason in the message."""


class Chain(typing.Protocol):
    """A boot loader and its files."""

    files: Files

    def facts(self) -> Facts:
        """Return what would start.

        Raises:
            Unbootable: Nothing would.
        """


class GrubChain:
    """GRUB: its modules, grub.cfg, grubenv, and the kernels and initramfs images of all entries.

    Args:
        view: Reads the partition that has GRUB's directory.
        image: The image of the disk.
        directory: GRUB's directory on that partition.
    """

    def __init__(self, view: GrubView, image: pathlib.Path, directory: str) -> None:
        self.files = Files(view, image)
        self._view = view
        self._directory = directory
        self._parsed: set[str] = set()  # configurations that GRUB's parser accepts

    def facts(self) -> Facts:
        """Return what GRUB would start."""
        text = _text(self.files, f"{self._directory}/grub.cfg")
        self._parse(text)
        environment = grub.parse_environment(
            (self.files.content(f"{self._directory}/grubenv") or b"").decode("latin-1")
        )
        variables = Variables({"menuentry_id_option": "--id", "prefix": self._directory, **environment})
        menu = read_menu(text, "grub.cfg", variables, lambda _path: None)
        if not menu.entries:
            raise Unbootable("grub.cfg has no entry for Linux")
        default = _default_entry(menu.entries, text, environment, self._stock(text))
        facts = {**self._modules(text), **_entry_facts(self.files, "default", default)}
        for entry in menu.entries:
            facts.update(_entry_facts(self.files, entry.title, entry))
        return facts

    def _stock(self, text: str) -> str | None:
        """Return the entry that a trial boot which is not confirmed makes the default; None without one."""
        match = _STOCK.search(text)
        block = (self.files.content(f"{self._directory}/{_BLOCK}") or b"").decode("latin-1")
        choice = grub.parse_environment(block).get("vfio_workstation_trial")
        return match[1] if match is not None and choice not in _OWN_DEFAULT else None

    def _parse(self, text: str) -> None:
        if text in self._parsed:
            return
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="grub-cfg-") as file:
            file.write(text)
            file.flush()
            done = self._view.check_script(pathlib.Path(file.name))
        if done.status != 0:
            raise Unbootable(f"GRUB can't parse grub.cfg: {done.error}")
        self._parsed.add(text)

    def _modules(self, text: str) -> Facts:
        (platform, *_others) = [name for name in _PLATFORMS if self.files.names(f"{self._directory}/{name}")] or [""]
        names = self.files.names(f"{self._directory}/{platform}")
        wanted = {"normal.mod", *(f"{name}.mod" for name in _INSMOD.findall(text))}
        lists = {name for name in names if name.endswith(".lst")}
        return {
            f"GRUB's {name}": _digest(self.files, f"{self._directory}/{platform}/{name}")
            for name in sorted(wanted & set(names) | {"normal.mod"} | lists)
        }


class SystemdBootChain:
    """systemd-boot: its program, its entries, and their kernels and initramfs images, on the EFI system partition."""

    _PROGRAMS = ("/EFI/BOOT/BOOTX64.EFI", "/EFI/systemd/systemd-bootx64.efi")

    def __init__(self, files: Files) -> None:
        self.files = files

    def facts(self) -> Facts:
        """Return what systemd-boot would start."""
        facts = {program: _digest(self.files, program) for program in self._PROGRAMS}
        names = [name for name in self.files.names("/loader/entries") if name.endswith(".conf")]
        entries = [self._entry(name) for name in names]
        known = [entry for entry in entries if entry is not None]
        if not known:
            raise Unbootable("there is no entry below loader/entries")
        loader = bls.parse(_text(self.files, "/loader/loader.conf"))
        facts.update(_entry_facts(self.files, "default", _first(known, loader.get("default", ("",))[0])))
        for entry in known:
            facts.update(_entry_facts(self.files, entry.id, entry))
        return facts

    def _entry(self, name: str) -> Entry | None:
        values = bls.parse(_text(self.files, f"/loader/entries/{name}"))
        if "linux" not in values:
            # An entry that systemd-boot leaves out is an entry that is lost.
            return None
        return Entry(
            id=bls.identifier(name),
            title=name,
            version=values.get("version", ("",))[0],
            linux=values["linux"][0],
            initrds=values.get("initrd", ()),
            cmdline=" ".join(values.get("options", ())),
            file=name,
        )


def _first(entries: list[Entry], default: str) -> Entry:
    """Return the entry that the setting names, or else the newest one that is no fallback."""
    named = [entry for entry in entries if default and entry.id == default.removesuffix(".conf")]
    own = [entry for entry in entries if entry.role == "normal"] or entries
    return named[0] if named else max(own, key=lambda entry: entry.version or "")


def _default_entry(
    entries: tuple[Entry, ...], text: str, environment: dict[str, str], stock: str | None = None
) -> Entry:
    """Return the entry that GRUB starts without a person's choice."""
    # grub.d/00_header: next_entry for one boot, otherwise the setting GRUB_DEFAULT, which may be saved_entry.
    settings = _DEFAULT.findall(_STOCK.sub("", text))
    wanted = environment.get("next_entry") or stock or (settings[-1] if settings else "0")
    wanted = re.sub(r"\$\{(\w+)\}", lambda match: environment.get(match[1], ""), wanted) or "0"
    name = wanted.rpartition(">")[2]
    named = [entry for entry in entries if name in (entry.id, entry.title)]
    if not named and wanted != "0":
        raise Unbootable(f"the default entry {wanted!r} is not in the menu")
    return named[0] if named else entries[0]


def _entry_facts(files: Files, name: str, entry: Entry) -> Facts:
    facts = {f"{name}: command line": entry.cmdline, f"{name}: kernel": _digest(files, entry.linux or "")}
    for number, path in enumerate(entry.initrds):
        facts[f"{name}: initrd {number}"] = _digest(files, path)
    facts[f"{name}: initrds"] = str(len(entry.initrds))
    return facts


def _text(files: Files, path: str) -> str:
    data = files.content(path)
    if data is None:
        raise Unbootable(f"{path} can't be read: {files.reason(path)}")
    return data.decode(errors="replace")


def _digest(files: Files, path: str) -> str:
    value = files.digest(path)
    if value is None:
        raise Unbootable(f"{path} can't be read: {files.reason(path)}")
    return value
