# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB with boot loader specification entries, as Fedora and RHEL have it: no tool runs, the entries are what boots.

New kernels get their arguments from /etc/kernel/cmdline (kernel-install, 20-grub.install); grubby keeps a copy in
GRUB_CMDLINE_LINUX, from which `grub2-mkconfig --update-bls-cmdline` writes all entries anew. Entries of RHEL 8 say
`$kernelopts`, which stands in grubenv, and which each grub2-mkconfig writes anew from the same variable.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import NORMAL, Change, EntryLine, Source
from ...._machine.plan import CONFIGURED, STAGED, Refusal, Step, WriteFile
from ...._probe.boot import grub, grub_defaults
from ...._probe.boot.grub_script import Variables
from ...refusals import refuse
from .grub_conflicts import contradictions
from .grub_files import UNSAFE
from .kernel_install import EARLY_PLUGIN, cmdline_problems, cmdline_source, cmdline_steps, plugin_steps
from .type1_entries import GRUB, Type1Entries

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_DEFAULTS = "/etc/default/grub"
_VARIABLE = "GRUB_CMDLINE_LINUX"
_KERNELOPTS = "kernelopts"
_REFERENCE = re.compile(r"\$(?:kernelopts\b|\{kernelopts\})")
_VARIABLE_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
#: TuneD, the power daemon of Fedora and RHEL, refers to it in each entry (its plugin bootloader).
_TUNED = "tuned_params"
_LIMIT = 1 << 20


class GrubBls:
    """GRUB with boot loader specification entries, as this machine has it.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "grub (boot loader specification)"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._context = context
        self._folder = next((folder for folder in reversed(grub.DIRECTORIES) if tree.exists(folder + "/grubenv")), "")
        self._kernelopts = grub.environment(tree, self._folder).get(_KERNELOPTS) if self._folder else None
        _file, menu = grub.read_config(tree, context.esps)
        self._variables = menu.variables if menu is not None else Variables(grub.environment(tree, self._folder))
        self._type1 = Type1Entries(tree, (grub.BLS_DIRECTORY,), context.kernels, GRUB, self._expand)

    def _expand(self, options: str) -> str:
        return _REFERENCE.sub(lambda _match: self._kernelopts or "", options)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of type 1."""
        return self._type1.lines()

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """What kernel-install, grubby and `$kernelopts` read."""
        found = []
        if self._referring:
            found.append(Source(f"{self._folder}/grubenv", 1, _KERNELOPTS, self._kernelopts or "", managed=True))
        else:
            found.append(cmdline_source(self._tree, self.entries))
        assignment = self._assignment
        if assignment is not None:
            found.append(Source(_DEFAULTS, assignment.line, _VARIABLE, assignment.text, managed=True))
        return tuple(found)

    @functools.cached_property
    def _referring(self) -> tuple[str, ...]:
        """The identifiers of the entries whose arguments change with the variable; what stands in their files stays."""
        return tuple(one.id for one in self._type1.normal if _REFERENCE.search(one.joined("options") or ""))

    @functools.cached_property
    def _assignment(self) -> grub_defaults.Assignment | None:
        found = [one for one in grub_defaults.assignments(self._defaults) if one.name == _VARIABLE]
        return found[-1] if found else None

    @functools.cached_property
    def _defaults(self) -> str:
        return self._tree.exact(_DEFAULTS, _LIMIT) or ""

    def refusals(self) -> Sequence[Refusal]:
        """Return why entries can't be changed here."""
        found = []
        if not any(entry.role == NORMAL for entry in self.entries):
            found.append(refuse("bootloader_broken", f"{grub.BLS_DIRECTORY} has no entry for a kernel of this system."))
        if self._referring and self._kernelopts is None:
            found.append(
                refuse(
                    "cmdline_unreadable",
                    f"The entry {self._referring[0]} gets its arguments from ${_KERNELOPTS}, which no grubenv sets.",
                    remedy=f"Set it with grub2-editenv - set '{_KERNELOPTS}=...', to the running kernel's arguments.",
                )
            )
        if not self._referring:
            found.extend(cmdline_problems(self._tree))
        assignment = self._assignment
        if assignment is not None and not assignment.is_certain:
            found.append(
                refuse(
                    "cmdline_unreadable", f"{_DEFAULTS}, line {assignment.line} sets {_VARIABLE} to {assignment.raw}."
                )
            )
        return found

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units GRUB, which expands an entry's options, would not pass on, or have no room in grubenv."""
        unsafe = tuple(
            refuse(
                "argument_unsupported",
                f"{unit} has one of {' '.join(UNSAFE.strip())}, which GRUB would not pass on.",
            )
            for unit in units
            if set(unit) & set(UNSAFE)
        )
        room = self._room_problems([unit for unit in units if not cmdline.has(self._kernelopts or "", unit)])
        return (*unsafe, *room, *self._variable_conflicts(units))

    def _variable_conflicts(self, units: Sequence[str]) -> Iterator[Refusal]:
        """Yield what contradicts a unit in a variable that entries refer to, whose value GRUB inserts when it boots."""
        names = dict.fromkeys(
            name
            for entry in self._type1.normal
            for name in _VARIABLE_NAME.findall(entry.first("options") or "")
            if name != _KERNELOPTS
        )
        for name in names:
            for theirs, unit, reason in contradictions(self._variables.get(name), units):
                yield refuse(
                    "cmdline_conflict",
                    f"{self._origin(name)} has {theirs}, and {unit} is requested: {reason}.",
                    remedy=self._remedy(name),
                )

    def _origin(self, name: str) -> str:
        """Return which file sets a variable, with its line, as the beginning of a sentence."""
        path = f"{self._folder}/grubenv"
        lines = (self._tree.exact(path, _LIMIT) or "").split("\n") if self._folder else []
        number = next((number for number, line in enumerate(lines, 1) if line.startswith(name + "=")), None)
        where = f"{path}, line {number}" if number is not None else "grub.cfg"
        profile = f", which TuneD sets for its profile {self._profile}," if name == _TUNED and self._profile else ""
        return f"{where}, variable {name}{profile or ','}"

    def _remedy(self, name: str) -> str:
        if name != _TUNED:
            return f"Take it out of the variable, for example with grub2-editenv - set '{name}=...'."
        profile = f" {self._profile}" if self._profile else ""
        return (
            f"TuneD writes that variable from the cmdline settings of its profile{profile} (section [bootloader]): "
            "choose another profile with `tuned-adm profile NAME`, or override the setting in a profile of your own."
        )

    @functools.cached_property
    def _profile(self) -> str:
        return (self._tree.text("/etc/tuned/active_profile") or "").strip()

    def _room_problems(self, units: Sequence[str]) -> tuple[Refusal, ...]:
        block = (self._tree.exact(f"{self._folder}/grubenv", _LIMIT) or "") if self._referring else ""
        more = cmdline.appended(self._kernelopts or "", units)
        if len(with_variable(block, _KERNELOPTS, more)) <= len(block):
            return ()
        return (
            refuse(
                "cmdline_too_long",
                f"{self._folder}/grubenv has no room for {' '.join(units)} in {_KERNELOPTS}.",
                danger="GRUB writes into this file without making it longer.",
            ),
        )

    def warnings(self) -> Sequence[str]:
        """Return what a person should know."""
        return ()

    def steps(self, change: Change) -> Sequence[Step]:
        """Return what brings the change about: for kernels to come, then the entries there are."""
        return [
            *cmdline_steps(change),
            *self._defaults_steps(change),
            *plugin_steps(self._tree, change, EARLY_PLUGIN, self._type1.fallbacks),
            *self._type1.steps(change, as_they_are=self._referring),
            *self._environment_steps(change),
        ]

    def _defaults_steps(self, change: Change) -> Iterator[Step]:
        for line in change.sources:
            if line.path == _DEFAULTS and self._assignment is not None:
                text = grub_defaults.replace_value(self._defaults, self._assignment, line.after)
                if text is not None:
                    yield WriteFile(_DEFAULTS, text, CONFIGURED, "let grubby and grub2-mkconfig know our arguments")

    def _environment_steps(self, change: Change) -> Iterator[Step]:
        for line in change.sources:
            if line.name == _KERNELOPTS:
                text = with_variable(self._tree.exact(line.path, _LIMIT) or "", _KERNELOPTS, line.after)
                yield WriteFile(line.path, text, STAGED, "change the arguments of every entry that refers to them")


def with_variable(block: str, name: str, value: str) -> str:
    """Return an environment block with another value of a variable: of the same size, `#` up to its end (envblk.c)."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\\n")
    size = len(block.encode("utf-8", "surrogateescape"))
    lines = re.findall(r"(?:[^\\\n]|\\.)*\n", block, re.DOTALL)
    made = "".join(f"{name}={escaped}\n" if line.startswith(name + "=") else line for line in lines)
    missing = size - len(made.encode("utf-8", "surrogateescape"))
    return made + "#" * max(0, missing)
