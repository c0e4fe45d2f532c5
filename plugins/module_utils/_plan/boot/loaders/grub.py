# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB with its entries in grub.cfg, which grub-mkconfig generates.

Debian and Ubuntu patch grub-mkconfig to read /etc/default/grub.d/*.cfg: there the managed arguments are in a drop-in.
Elsewhere they are added to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub. A script in /etc/grub.d generates the
fallback entries.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import Change, EntryLine, Source
from ...._machine.plan import CONFIGURED, DRAFT, STAGED, GenerateFile, Refusal, RemoveFile, Step, WriteFile
from ...._probe.boot import grub
from ...._probe.boot.grub_defaults import assignments
from ...._probe.boot.grub_menu import kernel_arguments
from ...._probe.boot.grub_script import Variables, commands
from ...refusals import refuse
from .grub_conflicts import conflicts_in_entries, conflicts_in_settings
from .grub_entries import GrubEntries, is_fallback, is_generated_by_linux_script, is_normal, role
from .grub_files import DROP_IN, LINUX_SCRIPT, SCRIPT, SCRIPTS, UNSAFE, drop_in, script
from .grub_settings import FILE_LIMIT, GrubSettings
from .grub_shell import shell_refusals
from .grub_trial import GrubTrial

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_TOOLS = ("/usr/sbin/grub-mkconfig", "/usr/sbin/grub2-mkconfig", "/usr/bin/grub-mkconfig", "/usr/bin/grub2-mkconfig")
#: As 00_header writes it if LANG was neither empty nor C.
_LANGUAGE = re.compile(r"^ *set lang=([A-Za-z0-9_.@-]+)$", re.MULTILINE)
#: Debian has the first one, other distributions the second (locale.conf(5)).
_LOCALE_FILES = ("/etc/default/locale", "/etc/locale.conf")
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "LANG")


class Grub:
    """GRUB as it is configured on a host.

    Args:
        tree: The host.
        context: What else is known of the host.
    """

    name = "grub"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._tool = next((tool for tool in _TOOLS if tree.exists(tool)), None)
        self._has_drop_ins = self._tool is not None and "default/grub.d" in (tree.text(self._tool) or "")
        self._settings = GrubSettings(tree, self._has_drop_ins)
        self._config, self._menu = grub.read_config(tree, context.esps)
        self._entries = GrubEntries(tree, self._menu, context.kernels)
        self.trial = GrubTrial(tree, self._config, context.esps)

    @property
    def sources(self) -> Sequence[Source]:
        """The settings from which 10_linux takes arguments."""
        return self._settings.sources()

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of grub.cfg."""
        if self._config is None:
            return ()
        return tuple(
            EntryLine(
                id=entry.id,
                title=entry.title,
                version=self._entries.version(entry),
                path=self._config,
                line=entry.line,
                role=role(entry),
                text=entry.cmdline,
            )
            for entry in self._entries.all
        )

    def refusals(self) -> Sequence[Refusal]:
        """Return why grub.cfg can't be regenerated on this host."""
        refusals = [*self._missing_parts()]
        if not refusals and not self._entries.command_lines(is_normal):
            refusals.append(self._no_normal_entry())
        in_files = tuple(shell_refusals(self._tree, self._tool, self._settings.files))
        return (*refusals, *(in_files or self._settings.refusals()))

    def _no_normal_entry(self) -> Refusal:
        # 10_linux_zfs, which Ubuntu has for a root on ZFS, identifies its entries as 10_linux does.
        scripts = sorted(
            {entry.script for entry in self._entries.all if entry.script and entry.id.startswith("gnulinux-")}
        )
        if scripts:
            seen = f"{', '.join(scripts)} generated the entries of {self._config}; only {LINUX_SCRIPT} is supported."
            return refuse("bootloader_unsupported", seen)
        return refuse("bootloader_broken", f"{self._config} has no entry that {LINUX_SCRIPT} generated.")

    def _missing_parts(self) -> Iterator[Refusal]:
        if self._tool is None:
            yield refuse("bootloader_broken", "GRUB boots this host, but grub-mkconfig is not installed.")
        status = self._tree.status(LINUX_SCRIPT)
        if status is None or not status.st_mode & 0o111:
            yield refuse(
                "bootloader_broken", f"{LINUX_SCRIPT}, which generates the entries, is missing or not executable."
            )
        if self._menu is None:
            yield refuse("bootloader_broken", f"{self._config or 'grub.cfg'} is missing or can't be read.")

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units a shell or GRUB would change, or contradict an argument that can't be set aside."""
        unsafe = tuple(
            refuse(
                "argument_unsupported",
                f"{unit} contains one of {' '.join(UNSAFE.strip())}, begins with #, or has quotes that are not around "
                "its value: grub-mkconfig or GRUB would change it.",
            )
            for unit in units
            if set(unit) & set(UNSAFE) or not _passes_grub(unit)
        )
        own_drop_in = (self._tree.exact(DROP_IN, FILE_LIMIT) or "") if self._has_drop_ins else ""
        own_values = [assignment.text for assignment in assignments(own_drop_in)]
        return (
            *unsafe,
            *conflicts_in_settings(self._settings, units),
            *conflicts_in_entries(self._settings, self.entries, own_values, units),
        )

    def can_remove(self, argument: str, path: str, line: int | None, /) -> bool:
        """Return whether an argument is in a plain setting, or in an entry that is generated from such a setting."""
        if path != self._config:
            return self._settings.can_remove(argument, path, line)
        entries = [entry for entry in self._entries.all if entry.line == line]
        from_settings = bool(entries) and all(
            is_fallback(entry) or is_generated_by_linux_script(entry) for entry in entries
        )
        return from_settings and self._settings.can_remove(argument)

    def warnings(self) -> Sequence[str]:
        """Return a warning if GRUB_DEFAULT is a number, and may count past the submenu of fallback entries."""
        defaults = self._settings.values("GRUB_DEFAULT")
        number = re.match(r"[0-9]{1,9}", defaults[-1]) if defaults else None
        later_scripts = [name for name in self._tree.names(SCRIPTS) if self._runs_after_own_script(name)]
        if number is None or not int(number.group()) or not later_scripts:
            return ()
        warning = (
            f"GRUB_DEFAULT={defaults[-1]} counts entries of the menu, and {SCRIPTS}/{later_scripts[0]} adds entries "
            "after the submenu without VFIO. Set GRUB_DEFAULT to the entry's identifier, which does not depend on its "
            "position."
        )
        return (warning,)

    def _runs_after_own_script(self, name: str) -> bool:
        status = self._tree.status(f"{SCRIPTS}/{name}")
        return f"{SCRIPTS}/{name}" > SCRIPT and status is not None and bool(status.st_mode & 0o111)

    def steps(self, change: Change) -> Sequence[Step]:
        """Return the steps that make a change: in this collection's own files, in settings, then the menu, once."""
        steps = [*self._own_file_steps(change), *self._settings.steps(change)]
        reason = self._entries.reason_to_regenerate(change, self._added_units(change))
        reason = reason or self.trial.reason_to_regenerate(change.trial)
        if reason is not None and self._tool is not None and self._config is not None:
            argv = (*self._environment(self._config), self._tool, "-o", DRAFT)
            steps.append(GenerateFile(self._config, argv, "grub.cfg", STAGED, reason))
        return steps

    def _environment(self, config: str) -> tuple[str, ...]:
        """Return what precedes grub-mkconfig on its command line, so that the menu keeps its language.

        00_header and 10_linux translate titles into the language of LANG. Titles in another language than before might
        be hard to read, and GRUB_DEFAULT may be a title.
        """
        match = _LANGUAGE.search(self._tree.text(config, FILE_LIMIT) or "")
        if match is None:
            return ()
        language = match.group(1)
        variables = {"LANG": language + ".UTF-8"}
        for path in _LOCALE_FILES:
            values = {assignment.name: assignment.text for assignment in assignments(self._tree.text(path) or "")}
            if values.get("LANG", "").partition(".")[0] == language:
                variables = {name: values[name] for name in _LOCALE_VARIABLES if name in values}
                break
        unset = itertools.chain.from_iterable(("-u", name) for name in _LOCALE_VARIABLES if name not in variables)
        return ("/usr/bin/env", *unset, *(f"{name}={value}" for name, value in variables.items()))

    def _own_file_steps(self, change: Change) -> Iterator[Step]:
        trial = self.trial.script(change.trial) if change.trial is not None else ""
        text = script(self._added_units(change), trial)
        files = [(SCRIPT, text, 0o755, "generate an entry without VFIO for every kernel")]
        if self._has_drop_ins:
            files.insert(0, (DROP_IN, drop_in(change.new), 0o644, "add the arguments to every menu that is generated"))
        for path, text, mode, reason in files:
            status = self._tree.status(path)
            if not change.new:
                if status is not None:
                    yield RemoveFile(path, CONFIGURED, "no kernel arguments are requested any more")
            elif status is None or self._tree.exact(path, FILE_LIMIT) != text or status.st_mode & 0o777 != mode:
                yield WriteFile(path, text, CONFIGURED, reason, mode)

    def _added_units(self, change: Change) -> tuple[str, ...]:
        """Return the new units that this collection adds: not those that the line has in another spelling already."""
        if self._has_drop_ins:
            return change.new
        text = self._settings.managed_text(change)
        return tuple(unit for unit in change.new if f" {unit} " in f" {text} ")


def _passes_grub(unit: str) -> bool:
    """Tell whether the kernel gets a unit unchanged after GRUB's shell has read it and GRUB has written it."""
    lines = [kernel_arguments(Variables({}).expand(command.words)[1:]) for command in commands("linux " + unit)]
    return cmdline.meanings(" ".join(lines)) == cmdline.meanings(unit)
