# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB with boot loader specification entries, as on Fedora and RHEL: no tool is run, entries are changed directly.

New kernels get their arguments from /etc/kernel/cmdline (kernel-install, 20-grub.install). grubby keeps a copy of the
arguments in GRUB_CMDLINE_LINUX, from which `grub2-mkconfig --update-bls-cmdline` rewrites all entries. On RHEL 8,
entries refer to `$kernelopts`, a variable in grubenv, which every grub2-mkconfig sets from GRUB_CMDLINE_LINUX.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import NORMAL, Change, EntryLine, Source
from ...._machine.plan import CONFIGURED, STAGED, Refusal, Step, WriteFile
from ...._probe.boot import grub
from ...._probe.boot.grub_defaults import Assignment, assignments, replace_value
from ...._probe.boot.grub_script import Variables
from ...refusals import refuse
from .grub_conflicts import contradictions
from .grub_files import UNSAFE
from .grub_settings import DEFAULTS, FILE_LIMIT, Setting
from .kernel_install import EARLY_PLUGIN, cmdline_refusals, cmdline_source, cmdline_steps, plugin_steps
from .no_trial import NoTrial
from .type1_entries import GRUB, Type1Entries

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

_NO_TRIAL = (
    "GRUB boots this host from entries of the Boot Loader Specification. What makes a trial return is a change of "
    "grub.cfg, which is not regenerated on such hosts."
)
_VARIABLE = "GRUB_CMDLINE_LINUX"
_KERNELOPTS = "kernelopts"
_KERNELOPTS_REFERENCE = re.compile(r"\$(?:kernelopts\b|\{kernelopts\})")
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
#: The variable of TuneD, the power daemon of Fedora and RHEL, to which every entry refers (its plugin bootloader).
_TUNED = "tuned_params"


class GrubBls:
    """GRUB with boot loader specification entries, as it is configured on a host.

    Args:
        tree: The host.
        context: What else is known of the host.
    """

    name = "grub (boot loader specification)"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self.trial = NoTrial(_NO_TRIAL)
        directories = reversed(grub.DIRECTORIES)
        self._directory = next((directory for directory in directories if tree.exists(directory + "/grubenv")), "")
        environment = grub.environment(tree, self._directory)
        self._kernelopts = environment.get(_KERNELOPTS) if self._directory else None
        _file, menu = grub.read_config(tree, context.esps)
        self._variables = menu.variables if menu is not None else Variables(environment)
        self._type1 = Type1Entries(tree, (grub.BLS_DIRECTORY,), context.kernels, GRUB, self._expand)

    def _expand(self, options: str) -> str:
        return _KERNELOPTS_REFERENCE.sub(lambda _match: self._kernelopts or "", options)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of type 1."""
        return self._type1.lines()

    @functools.cached_property
    def sources(self) -> Sequence[Source]:
        """The lines that kernel-install, GRUB (as `$kernelopts`) and grubby read."""
        sources = []
        if self._referring:
            sources.append(Source(f"{self._directory}/grubenv", 1, _KERNELOPTS, self._kernelopts or "", managed=True))
        else:
            sources.append(cmdline_source(self._tree, self.entries))
        assignment = self._assignment
        if assignment is not None:
            sources.append(Source(DEFAULTS, assignment.line, _VARIABLE, assignment.text, managed=True))
        return tuple(sources)

    @functools.cached_property
    def _referring(self) -> tuple[str, ...]:
        """The identifiers of the entries that refer to `$kernelopts`: their arguments change with the variable."""
        return tuple(
            entry.id
            for entry in self._type1.normal_entries
            if _KERNELOPTS_REFERENCE.search(entry.joined("options") or "")
        )

    @functools.cached_property
    def _assignment(self) -> Assignment | None:
        """The last assignment to GRUB_CMDLINE_LINUX."""
        values = [assignment for assignment in assignments(self._defaults) if assignment.name == _VARIABLE]
        return values[-1] if values else None

    @functools.cached_property
    def _defaults(self) -> str:
        return self._tree.exact(DEFAULTS, FILE_LIMIT) or ""

    def refusals(self) -> Sequence[Refusal]:
        """Return why entries can't be changed on this host."""
        refusals = []
        if not any(entry.role == NORMAL for entry in self.entries):
            seen = f"{grub.BLS_DIRECTORY} has no entry for an installed kernel of this system."
            refusals.append(refuse("bootloader_broken", seen))
        if self._referring and self._kernelopts is None:
            refusals.append(
                refuse(
                    "cmdline_unreadable",
                    f"The entry {self._referring[0]} gets its arguments from ${_KERNELOPTS}, which grubenv lacks.",
                    remedy=f"Set it to the running kernel's arguments: grub2-editenv - set '{_KERNELOPTS}=...'",
                )
            )
        if not self._referring:
            refusals.extend(cmdline_refusals(self._tree))
        if self._assignment is not None and not self._assignment.is_certain:
            setting = Setting(DEFAULTS, self._assignment)
            seen = f"{setting.place} has {setting.text}, whose value depends on a command or on a condition."
            refusals.append(refuse("cmdline_unreadable", seen))
        return refusals

    def argument_refusals(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units GRUB would change, don't fit into grubenv, or contradict a variable of GRUB's."""
        unsafe = tuple(
            refuse(
                "argument_unsupported",
                f"{unit} contains one of {' '.join(UNSAFE.strip())}, which GRUB would change.",
            )
            for unit in units
            if set(unit) & set(UNSAFE)
        )
        additional = [unit for unit in units if not cmdline.has(self._kernelopts or "", unit)]
        return (*unsafe, *self._space_refusals(additional), *self._variable_conflicts(units))

    def _variable_conflicts(self, units: Sequence[str]) -> Iterator[Refusal]:
        """Yield the contradictions in variables that entries refer to: GRUB expands them at boot."""
        names = dict.fromkeys(
            name
            for entry in self._type1.normal_entries
            for name in _REFERENCE.findall(entry.first("options") or "")
            if name != _KERNELOPTS
        )
        for name in names:
            for argument, unit, reason in contradictions(self._variables.get(name), units):
                yield refuse(
                    "cmdline_conflict",
                    f"{self._origin(name)} has {argument}, which conflicts with the requested {unit}: {reason}.",
                    remedy=self._remedy(name),
                )

    def _origin(self, name: str) -> str:
        """Return where a variable is set, as the beginning of a sentence."""
        path = f"{self._directory}/grubenv"
        lines = (self._tree.exact(path, FILE_LIMIT) or "").split("\n") if self._directory else []
        number = next((number for number, line in enumerate(lines, 1) if line.startswith(name + "=")), None)
        place = f"{path}, line {number}" if number is not None else "grub.cfg"
        origin = f" (set by TuneD for its profile {self._profile})" if name == _TUNED and self._profile else ""
        return f"{place}, variable {name}{origin}"

    def _remedy(self, name: str) -> str:
        if name != _TUNED:
            return f"Remove it from the variable, for example with grub2-editenv - set '{name}=...'."
        profile = f" {self._profile}" if self._profile else ""
        return (
            f"TuneD sets that variable from the cmdline settings of its profile{profile} (section [bootloader]): "
            "choose another profile with `tuned-adm profile NAME`, or override the setting in a custom profile."
        )

    @functools.cached_property
    def _profile(self) -> str:
        return (self._tree.text("/etc/tuned/active_profile") or "").strip()

    def _space_refusals(self, units: Sequence[str]) -> tuple[Refusal, ...]:
        block = (self._tree.exact(f"{self._directory}/grubenv", FILE_LIMIT) or "") if self._referring else ""
        value = cmdline.appended(self._kernelopts or "", units)
        if len(with_variable(block, _KERNELOPTS, value)) <= len(block):
            return ()
        return (
            refuse(
                "cmdline_too_long",
                f"{self._directory}/grubenv has no space for {' '.join(units)} in {_KERNELOPTS}.",
                danger="The file has a fixed size: GRUB writes to it at boot, and can't extend it.",
            ),
        )

    def can_remove(self, _argument: str, _path: str, _line: int | None, /) -> bool:
        """Return False: the arguments of entries may be in variables that several programs write."""
        return False

    def warnings(self) -> Sequence[str]:
        """Return nothing: there is nothing to warn about."""
        return ()

    def steps(self, change: Change) -> Sequence[Step]:
        """Return the steps that make a change: for future kernels first, then in the entries of installed ones."""
        return [
            *cmdline_steps(change),
            *self._defaults_steps(change),
            *plugin_steps(self._tree, change, EARLY_PLUGIN, self._type1.fallback_prefix),
            *self._type1.steps(change, indirect=self._referring),
            *self._environment_steps(change),
        ]

    def _defaults_steps(self, change: Change) -> Iterator[Step]:
        for line in change.sources:
            if line.path == DEFAULTS and self._assignment is not None:
                text = replace_value(self._defaults, self._assignment, line.after)
                if text is not None:
                    yield WriteFile(
                        DEFAULTS, text, CONFIGURED, "set the arguments that grub2-mkconfig gives to entries"
                    )

    def _environment_steps(self, change: Change) -> Iterator[Step]:
        for line in change.sources:
            if line.name == _KERNELOPTS:
                text = with_variable(self._tree.exact(line.path, FILE_LIMIT) or "", _KERNELOPTS, line.after)
                yield WriteFile(line.path, text, STAGED, f"set the arguments of entries that refer to ${_KERNELOPTS}")


def with_variable(block: str, name: str, value: str) -> str:
    """Return an environment block of the same size with a variable changed; `#` pads it (GRUB's envblk.c)."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\\n")
    size = len(block.encode("utf-8", "surrogateescape"))
    lines = re.findall(r"(?:[^\\\n]|\\.)*\n", block, re.DOTALL)
    text = "".join(f"{name}={escaped}\n" if line.startswith(name + "=") else line for line in lines)
    padding = size - len(text.encode("utf-8", "surrogateescape"))
    return text + "#" * max(0, padding)
