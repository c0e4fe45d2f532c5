# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB's settings: the assignments in /etc/default/grub, and in its drop-ins where grub-mkconfig reads drop-ins."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Iterator, NamedTuple

from ...._machine import cmdline
from ...._machine.boot_config import Change, LineChange, Source
from ...._machine.plan import CONFIGURED, Refusal, Step, WriteFile
from ...._probe.boot.grub_defaults import Assignment, assignments, replace_value
from ...refusals import refuse
from .grub_files import DROP_IN, VARIABLE

if TYPE_CHECKING:
    from ...._probe.tree import Tree

DEFAULTS = "/etc/default/grub"
_DROP_INS = "/etc/default/grub.d"
FILE_LIMIT = 1 << 20
#: The variables whose values 10_linux puts on command lines; recovery entries get the first one only.
VARIABLES = ("GRUB_CMDLINE_LINUX", VARIABLE)
#: The line before an assignment that this collection added.
_MARK = "# Added by the Ansible collection vfio.workstation, which also removes it.\n"
#: The same where the file did not end in a line break: the one that is added is removed with the line.
_MARK_AFTER_BREAK = (
    "\n# Added by the Ansible collection vfio.workstation, which removes it with the line break before.\n"
)


class Setting(NamedTuple):
    """An assignment, and the file that it is in."""

    path: str
    assignment: Assignment

    @property
    def place(self) -> str:
        """The file and the line, for messages."""
        return f"{self.path}, line {self.assignment.line}"

    @property
    def text(self) -> str:
        """The assignment as written, for messages."""
        return f"{self.assignment.name}={self.assignment.raw}"


class GrubSettings:
    """The settings of this host, without those in this collection's own drop-in.

    Args:
        tree: The host.
        has_drop_ins: Whether grub-mkconfig reads drop-ins. If so, managed arguments are in a drop-in of their own; if
            not, they are added to a line of /etc/default/grub.
    """

    def __init__(self, tree: Tree, has_drop_ins: bool) -> None:
        self._tree = tree
        self._has_drop_ins = has_drop_ins

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """The text of each file of settings by its path, in the order in which grub-mkconfig sources them."""
        names = self._tree.names(_DROP_INS) if self._has_drop_ins else ()
        paths = [DEFAULTS, *(f"{_DROP_INS}/{name}" for name in names if _is_drop_in(name))]
        texts = ((path, self._tree.exact(path, FILE_LIMIT)) for path in paths if path != DROP_IN)
        return {path: text for path, text in texts if text is not None}

    @functools.cached_property
    def effective(self) -> tuple[Setting, ...]:
        """The settings whose values reach command lines: those that no later setting overrides."""
        settings: dict[str, list[Setting]] = {name: [] for name in VARIABLES}
        for path, text in self.files.items():
            for assignment in assignments(text):
                if assignment.name in settings:
                    if assignment.discards_previous:
                        settings[assignment.name].clear()
                    settings[assignment.name].append(Setting(path, assignment))
        return tuple(setting for name in VARIABLES for setting in settings[name])

    @functools.cached_property
    def managed(self) -> Setting | None:
        """The setting that managed arguments are added to; None if it does not exist yet, or with drop-ins."""
        candidates = [setting for setting in self.effective if setting.assignment.name == VARIABLE]
        return candidates[-1] if candidates and not self._has_drop_ins else None

    def sources(self) -> tuple[Source, ...]:
        """Return the settings as sources of arguments."""
        sources = [
            Source(path, assignment.line, assignment.name, assignment.text, managed=(path, assignment) == self.managed)
            for path, assignment in self.effective
        ]
        if not self._has_drop_ins and self.managed is None:
            lines = self.files.get(DEFAULTS, "").count("\n") + 1
            sources.append(Source(DEFAULTS, lines, VARIABLE, "", managed=True))
        return tuple(sources)

    def values(self, name: str) -> list[str]:
        """Return the values that are assigned to a variable, the last one last."""
        return [
            assignment.text
            for text in self.files.values()
            for assignment in assignments(text)
            if assignment.name == name
        ]

    def can_remove(self, argument: str, path: str | None = None, line: int | None = None) -> bool:
        """Return whether an argument can be removed from every setting that has it, of all or of one line."""
        having = [
            setting
            for setting in self.effective
            if cmdline.has(setting.assignment.text, argument)
            and (path is None or (path, line) == (setting.path, setting.assignment.line))
        ]
        rests = [cmdline.without(setting.assignment.text, (argument,)) for setting in having]
        return bool(having) and all(
            replace_value(self.files[setting.path], setting.assignment, rest) is not None
            for setting, rest in zip(having, rests)
        )

    def refusals(self) -> Iterator[Refusal]:
        """Yield the settings because of which managed arguments would not reach the kernel."""
        yield from self._after_drop_in() if self._has_drop_ins else self._uncertain_line()
        yield from self._truncating_values()

    def _after_drop_in(self) -> Iterator[Refusal]:
        for setting in self.effective:
            path, assignment = setting
            keeps_previous = assignment.is_certain and not assignment.discards_previous
            if path > DROP_IN and path != DEFAULTS and assignment.name == VARIABLE and not keeps_previous:
                yield refuse(
                    "bootloader_unsupported",
                    f"{setting.place} has {setting.text}, and is read after {DROP_IN}, whose arguments would be lost.",
                    remedy=f"Rename {path} so that it sorts before {DROP_IN.rpartition('/')[2]}.",
                )

    def _uncertain_line(self) -> Iterator[Refusal]:
        if self.managed is not None and not self.managed.assignment.is_certain:
            yield refuse(
                "cmdline_unreadable",
                f"{self.managed.place} has {self.managed.text}, whose value depends on a command or on a condition.",
                remedy=f"Assign {VARIABLE} a plain value in quotes, outside of any condition, and run this again.",
            )

    def _truncating_values(self) -> Iterator[Refusal]:
        for setting in self.effective:
            name = setting.assignment.name
            if "\n" in setting.assignment.text:
                yield refuse(
                    "cmdline_unreadable",
                    f"{setting.place} has {setting.text}, with a line break: GRUB takes what follows for a command.",
                    remedy=f"Write the value of {name} on one line, and run this again.",
                )
            # In the managed setting, managed arguments are written before it.
            if "--" in setting.assignment.text.split() and setting != self.managed:
                yield refuse(
                    "bootloader_unsupported",
                    f"{setting.place} has {setting.text}: everything after -- is for init, managed arguments included.",
                    remedy=f"Remove -- from {name}: the kernel passes arguments that it does not know to init anyway.",
                )

    def managed_text(self, change: Change) -> str:
        """Return the value of the managed setting after a change."""
        path, text = DEFAULTS, ""
        if self.managed is not None:
            path, text = self.managed.path, self.managed.assignment.text
        for line in change.sources:
            if line.path == path and line.name == VARIABLE and line.before == text:
                text = line.after
        return text

    def steps(self, change: Change) -> Iterator[Step]:
        """Yield the steps that write changed settings."""
        texts: dict[str, str] = {}
        for line in change.sources:
            text = texts.get(line.path, self.files.get(line.path, ""))
            texts[line.path] = _with_change(text, line)
        for path, text in texts.items():
            if text != self.files.get(path):
                yield WriteFile(path, text, CONFIGURED, "update the kernel arguments in this file")


def _is_drop_in(name: str) -> bool:
    return name.endswith(".cfg") and not name.startswith(".")  # as the shell's *.cfg


def _with_change(text: str, line: LineChange) -> str:
    """Return a file's text with one assignment changed, added, or removed if this collection had added it."""
    for assignment in assignments(text):
        if (assignment.line, assignment.name, assignment.text) == (line.line, line.name, line.before):
            start = text.rfind("\n", 0, assignment.start) + 1
            end = text.find("\n", assignment.end) + 1 or len(text)
            mark = next((mark for mark in (_MARK_AFTER_BREAK, _MARK) if text[:start].endswith(mark)), None)
            if not line.after and mark is not None:
                return text[: start - len(mark)] + text[end:]
            return replace_value(text, assignment, line.after) or text
    mark = _MARK if text.endswith("\n") or not text else _MARK_AFTER_BREAK
    quoted = line.after.replace('"', '\\"')
    return f'{text}{mark}{line.name}="{quoted}"\n'
