# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GRUB with its entries in grub.cfg, which grub-mkconfig writes: with a drop-in where it reads drop-ins, else without.

Debian and Ubuntu patch grub-mkconfig to read /etc/default/grub.d/*.cfg. Elsewhere our arguments are tokens in
GRUB_CMDLINE_LINUX_DEFAULT of /etc/default/grub.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING, Callable, Collection, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import FALLBACK, NORMAL, OTHER, Change, EntryLine, LineChange, Source
from ...._machine.plan import CONFIGURED, DRAFT, STAGED, GenerateFile, Refusal, RemoveFile, Step, WriteFile
from ...._probe.boot import grub, grub_defaults
from ...._probe.boot.entry import NORMAL as EVERY_DAY
from ...._probe.boot.entry import SIMPLE, Entry
from ...._probe.boot.grub_menu import kernel_arguments
from ...._probe.boot.grub_script import Variables, commands
from ...._probe.boot.shell_check import shell_problems
from ...._probe.boot.versions import version_in_name
from ...refusals import refuse
from ..argument_rules import contradiction
from .grub_files import DROP_IN, FALLBACK_ID, LINUX_SCRIPT, SCRIPT, UNSAFE, VARIABLE, drop_in, script

if TYPE_CHECKING:
    from ...._probe.tree import Tree
    from .protocol import LoaderContext

DEFAULTS = "/etc/default/grub"
_DROP_INS = "/etc/default/grub.d"
_TOOLS = ("/usr/sbin/grub-mkconfig", "/usr/sbin/grub2-mkconfig", "/usr/bin/grub-mkconfig", "/usr/bin/grub2-mkconfig")
_SCRIPTS = "/etc/grub.d"
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_VARIABLES = ("GRUB_CMDLINE_LINUX", VARIABLE)
#: The line before one that we added.
_MARK = "# Added by the Ansible collection vfio.workstation, which also removes it.\n"
#: The same where the file had no end of line, which goes with ours.
_MARK_IN_LINE = "\n# Added by the Ansible collection vfio.workstation, which removes it with this end of line.\n"
_LIMIT = 1 << 20
#: As 00_header writes it, where LANG was neither empty nor C.
_LANGUAGE = re.compile(r"^ *set lang=([A-Za-z0-9_.@-]+)$", re.MULTILINE)
#: Debian has the first, the others the second (locale.conf(5)).
_LOCALE_FILES = ("/etc/default/locale", "/etc/locale.conf")
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "LANG")


class Grub:
    """GRUB as this machine has it.

    Args:
        tree: The machine.
        context: What else is known of it.
    """

    name = "grub"
    has_fallback = True

    def __init__(self, tree: Tree, context: LoaderContext) -> None:
        self._tree = tree
        self._context = context
        self._tool = next((tool for tool in _TOOLS if tree.exists(tool)), None)
        self._config, self._menu = grub.read_config(tree, context.esps)
        self._has_drop_ins = self._tool is not None and "default/grub.d" in (tree.text(self._tool) or "")

    # ------------------------------------------------------------------ what stands where

    @functools.cached_property
    def _files(self) -> dict[str, str]:
        """The text of each file of assignments, in the order in which they are read; ours left out."""
        names = self._tree.names(_DROP_INS) if self._has_drop_ins else ()
        paths = [DEFAULTS, *(f"{_DROP_INS}/{name}" for name in names if _is_drop_in(name))]
        texts = ((path, self._tree.exact(path, _LIMIT)) for path in paths if path != DROP_IN)
        return {path: text for path, text in texts if text is not None}

    @functools.cached_property
    def _assignments(self) -> tuple[tuple[str, grub_defaults.Assignment], ...]:
        """Those whose value comes into command lines: one that does not build on the former ones ends them."""
        alive: dict[str, list[tuple[str, grub_defaults.Assignment]]] = {name: [] for name in _VARIABLES}
        for path, text in self._files.items():
            for found in grub_defaults.assignments(text):
                if found.name in alive:
                    if found.discards_previous:
                        alive[found.name].clear()
                    alive[found.name].append((path, found))
        return tuple(one for name in _VARIABLES for one in alive[name])

    @property
    def _ours(self) -> tuple[str, grub_defaults.Assignment] | None:
        """The assignment that holds our arguments where there are no drop-ins."""
        mine = [one for one in self._assignments if one[1].name == VARIABLE]
        return mine[-1] if mine else None

    @property
    def sources(self) -> Sequence[Source]:
        """The lines that entries get arguments from."""
        ours = None if self._has_drop_ins else self._ours
        found = [Source(path, one.line, one.name, one.text, (path, one) == ours) for path, one in self._assignments]
        if not self._has_drop_ins and ours is None:
            lines = self._files.get(DEFAULTS, "").count("\n") + 1
            found.append(Source(DEFAULTS, lines, VARIABLE, "", ours=True))
        return tuple(found)

    @functools.cached_property
    def entries(self) -> Sequence[EntryLine]:
        """The entries of grub.cfg."""
        if self._menu is None or self._config is None:
            return ()
        return tuple(
            EntryLine(
                id=entry.id,
                title=entry.title,
                version=self._version(entry),
                path=self._config,
                line=entry.line,
                role=role(entry),
                text=entry.cmdline,
            )
            for entry in self._menu.entries
        )

    def _version(self, entry: Entry) -> str | None:
        image = _image(entry)
        return version_in_name(image) or next(
            (version for version, names in self._names.items() if image.partition("-")[2] in names), None
        )

    @functools.cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        """How each installed kernel may be called in an image's name: Arch calls it by its package."""
        packages = {version: self._tree.text(f"/lib/modules/{version}/pkgbase") for version in self._context.kernels}
        return {version: (version, package) if package else (version,) for version, package in packages.items()}

    def _lines(self, belongs: Callable[[Entry], bool]) -> dict[str, list[str]]:
        """The command lines of some entries, by the kernel's image."""
        found: dict[str, list[str]] = {}
        for entry in self._menu.entries if self._menu else ():
            if belongs(entry):
                found.setdefault(_image(entry), []).append(entry.cmdline)
        return found

    # ------------------------------------------------------------------ what stands in the way

    def refusals(self) -> Sequence[Refusal]:
        """Return why grub.cfg can't be made anew here."""
        found = [*self._missing_parts()]
        if not found and not self._lines(_is_normal):
            found.append(self._nothing_of_the_script())
        unreadable = tuple(self._shell_refusals())
        if unreadable:
            return (*found, *unreadable)
        own = self._late_files() if self._has_drop_ins else self._unreadable_line()
        return (*found, *own, *self._lines_that_end_early())

    def _shell_refusals(self) -> Iterator[Refusal]:
        """Yield where grub-mkconfig would fail, since the shell that runs it can't source a file."""
        shell = self._shell()
        for path, text in self._files.items():
            lines = text.split("\n")
            for problem in shell_problems(text, self._has_command, shell):
                yield refuse(
                    "cmdline_unreadable",
                    f"{path}, line {problem.line}: {shell or 'sh'} {problem.reason}: {lines[problem.line - 1]!r}",
                    danger="grub-mkconfig sources this file, and would fail: no boot menu could be generated.",
                    remedy=f"Correct the line, so that `sh -ec '. {path}'` succeeds, and run this again."
                    if "\r" not in lines[problem.line - 1]
                    else f"Convert the line endings: sed -i 's/\\r$//' {path}",
                )

    def _shell(self) -> str | None:
        """Return the name of the shell that runs grub-mkconfig, such as `dash`; None if unknown."""
        first = (self._tree.text(self._tool, head=True) or "").split("\n", 1)[0] if self._tool else ""
        words = first[2:].split() if first.startswith("#!") else []
        path = self._tree.resolve(words[0]) if words else None
        name = path.rpartition("/")[2] if path else ""
        return name if name not in ("", "sh") else None

    def _has_command(self, name: str) -> bool:
        return any(self._tree.exists(f"{folder}/{name}" if folder else name) for folder in _path_of(name))

    def _nothing_of_the_script(self) -> Refusal:
        # 10_linux_zfs, which Ubuntu has for a root on ZFS, calls its entries as 10_linux does.
        entries = self._menu.entries if self._menu else ()
        others = sorted({entry.script for entry in entries if entry.script and entry.id.startswith("gnulinux-")})
        if others:
            made = (
                f"The entries of {self._config} are made by {', '.join(others)}, and only {LINUX_SCRIPT} is supported."
            )
            return refuse("bootloader_unsupported", made)
        return refuse("bootloader_broken", f"{self._config} has no entry that {LINUX_SCRIPT} made.")

    def _missing_parts(self) -> Iterator[Refusal]:
        if self._tool is None:
            yield refuse("bootloader_broken", "GRUB boots this machine, and grub-mkconfig is not there.")
        status = self._tree.status(LINUX_SCRIPT)
        if status is None or not status.st_mode & 0o111:
            yield refuse("bootloader_broken", f"{LINUX_SCRIPT}, which makes the entries, can't be executed.")
        if self._menu is None:
            yield refuse("bootloader_broken", f"{self._config or 'grub.cfg'} is not there, or can't be read.")

    def _late_files(self) -> Iterator[Refusal]:
        for path, found in self._assignments:
            builds_on = found.is_certain and not found.discards_previous
            if path > DROP_IN and path != DEFAULTS and found.name == VARIABLE and not builds_on:
                yield refuse(
                    "bootloader_unsupported",
                    f"{path}, line {found.line} sets {VARIABLE} anew, and is read after {DROP_IN}.",
                    remedy="Give that file a name that sorts before ours.",
                )

    def _unreadable_line(self) -> Iterator[Refusal]:
        path, found = self._ours or (DEFAULTS, None)
        if found is not None and not found.is_certain:
            yield refuse(
                "cmdline_unreadable",
                f"{path}, line {found.line} has {VARIABLE}={found.raw}, and what it becomes depends on what else runs.",
                remedy=f"Give {VARIABLE} a value in quotes, outside of any condition, and run this again.",
            )

    def _lines_that_end_early(self) -> Iterator[Refusal]:
        for path, found in self._assignments:
            where = f"{path}, line {found.line} has {found.name}={found.raw}"
            if "\n" in found.text:
                yield refuse(
                    "cmdline_unreadable",
                    f"{where}, with an end of line in it: GRUB takes what follows that for another command.",
                    remedy=f"Write the arguments of {found.name} in one line, and run this again.",
                )
            # In a line that ours are put into, they are put before it.
            if "--" in found.text.split() and (path, found) != (None if self._has_drop_ins else self._ours):
                yield refuse(
                    "bootloader_unsupported",
                    f"{where}: what follows -- is for init, and so would be what we put behind it.",
                    remedy=f"Take -- out of {found.name}: the kernel hands what it does not know to init anyway.",
                )

    def argument_problems(self, units: Sequence[str]) -> Sequence[Refusal]:
        """Return which units would not come through the shell and GRUB as they are, or contradict what stays."""
        unsafe = tuple(
            refuse(
                "argument_unsupported",
                f"{unit} has one of {' '.join(UNSAFE.strip())}, begins with #, or has quotes elsewhere than around "
                "its value: GRUB's shell or grub-mkconfig would not pass that on.",
            )
            for unit in units
            if set(unit) & set(UNSAFE) or not _comes_through(unit)
        )
        return (*unsafe, *self._conflicts_that_stay(units))

    def _conflicts_that_stay(self, units: Sequence[str]) -> Iterator[Refusal]:
        """Yield what contradicts a unit and can't stand back: a shell makes it, or decides whether it counts."""
        for path, found in self._assignments:
            for theirs, unit, reason in contradictions(found.text, units):
                rest = cmdline.without(found.text, (theirs,))
                if grub_defaults.replace_value(self._files[path], found, rest) is None:
                    yield _stays(f"{path}, line {found.line} has {theirs} in {found.name}={found.raw}", unit, reason)
        made = next((one for one in self._assignments if grub_defaults.is_computed(one[1], _VARIABLES)), None)
        if made is None:
            return
        told = dict.fromkeys(
            (theirs, unit, reason)
            for entry in self.entries
            if entry.role == NORMAL
            for theirs, unit, reason in contradictions(entry.text, units)
            if not any(cmdline.has(text, theirs) for text in self._written)
        )
        path, found = made
        for theirs, unit, reason in told:
            where = f"Entries of {self._config} have {theirs}, which stands in no line, and {path}, line {found.line}"
            yield _stays(f"{where} takes in more than what stands there, {found.name}={found.raw}", unit, reason)

    @functools.cached_property
    def _written(self) -> tuple[str, ...]:
        """The values of all assignments that count, ours too: what is to be found in them comes from there."""
        ours = grub_defaults.assignments(self._tree.exact(DROP_IN, _LIMIT) or "") if self._has_drop_ins else ()
        return (*(found.text for _path, found in self._assignments), *(found.text for found in ours))

    def warnings(self) -> Sequence[str]:
        """Return what a person should know: a number that counts past the fallback submenu changes its meaning."""
        defaults = [one.text for one in self._all("GRUB_DEFAULT")]
        match = re.match(r"[0-9]{1,9}", defaults[-1]) if defaults else None
        later = [name for name in self._tree.names(_SCRIPTS) if self._is_script_after_ours(name)]
        if match is None or not int(match.group()) or not later:
            return ()
        warning = (
            f"GRUB_DEFAULT={defaults[-1]} counts the entries of the menu, and {_SCRIPTS}/{later[0]} adds entries after "
            "the submenu without VFIO. Set GRUB_DEFAULT to the entry's identifier, which does not depend on its place."
        )
        return (warning,)

    def _is_script_after_ours(self, name: str) -> bool:
        status = self._tree.status(f"{_SCRIPTS}/{name}")
        return f"{_SCRIPTS}/{name}" > SCRIPT and status is not None and bool(status.st_mode & 0o111)

    def _all(self, name: str) -> Iterator[grub_defaults.Assignment]:
        for text in self._files.values():
            yield from (one for one in grub_defaults.assignments(text) if one.name == name)

    # ------------------------------------------------------------------ what is to be done

    def steps(self, change: Change) -> Sequence[Step]:
        """Return what brings the change about: files of ours, lines of others, then the menu, once."""
        steps = [*self._own_files(change), *self._source_edits(change)]
        reason = self._why_regenerate(change)
        if reason is not None and self._tool is not None and self._config is not None:
            argv = (*self._in_its_language(self._config), self._tool, "-o", DRAFT)
            steps.append(GenerateFile(self._config, argv, "grub.cfg", STAGED, reason))
        return steps

    def _in_its_language(self, config: str) -> tuple[str, ...]:
        """Return what to put before grub-mkconfig: its 00_header and 10_linux write the menu in the language of LANG.

        A menu that spoke another one afterwards would not only be read by nobody: GRUB_DEFAULT may be a title.
        """
        match = _LANGUAGE.search(self._tree.text(config, _LIMIT) or "")
        if match is None:
            return ()
        settings = {"LANG": match.group(1) + ".UTF-8"}
        for path in _LOCALE_FILES:
            found = {one.name: one.text for one in grub_defaults.assignments(self._tree.text(path) or "")}
            if found.get("LANG", "").partition(".")[0] == match.group(1):
                settings = {name: found[name] for name in _LOCALE_VARIABLES if name in found}
                break
        unset = itertools.chain.from_iterable(("-u", name) for name in _LOCALE_VARIABLES if name not in settings)
        return ("/usr/bin/env", *unset, *(f"{name}={value}" for name, value in settings.items()))

    def _own_files(self, change: Change) -> Iterator[Step]:
        wanted = {DROP_IN: (drop_in(change.new), 0o644), SCRIPT: (script(self._put_in(change)), 0o755)}
        if not self._has_drop_ins:
            del wanted[DROP_IN]
        for path, (text, mode) in wanted.items():
            status = self._tree.status(path)
            if not change.new:
                if status is not None:
                    yield RemoveFile(path, CONFIGURED, "our arguments go")
            elif status is None or self._tree.exact(path, _LIMIT) != text or status.st_mode & 0o777 != mode:
                yield WriteFile(path, text, CONFIGURED, "let every grub-mkconfig know our arguments", mode)

    def _put_in(self, change: Change) -> tuple[str, ...]:
        """The units that are there because of us; one that somebody wrote into our line, in another way, is theirs."""
        if self._has_drop_ins:
            return change.new
        path, found = self._ours or (DEFAULTS, None)
        text = found.text if found else ""
        for line in change.sources:
            if line.path == path and line.name == VARIABLE and line.before == text:
                text = line.after
        return tuple(unit for unit in change.new if f" {unit} " in f" {text} ")

    def _source_edits(self, change: Change) -> Iterator[Step]:
        texts: dict[str, str] = {}
        for line in change.sources:
            text = texts.get(line.path, self._files.get(line.path, ""))
            texts[line.path] = _edited(text, line)
        for path, text in texts.items():
            if text != self._files.get(path):
                yield WriteFile(path, text, CONFIGURED, "change arguments in lines of others")

    def _why_regenerate(self, change: Change) -> str | None:
        """Return what the menu lacks, or None where it is right, whoever made it."""
        normal, fallback = self._lines(_is_normal), self._lines(_is_fallback)
        if change.entries or any(not cmdline.is_up_to_date(line, change.old, change.new) for line in _all(normal)):
            return "bring the arguments of every entry of the menu in line"
        lacking = self._lacking(normal)
        if lacking:
            return f"give an entry to {', '.join(lacking)}"
        if not change.fallback:
            return "take the entries without our arguments out of the menu" if fallback else None
        made = self._lines(_is_made_by_linux_script)  # recovery too: a rescue image has no other entry
        if not set(normal) <= set(fallback) <= set(made):
            return "have an entry without our arguments for every kernel"
        for image, lines in fallback.items():
            # What others gave the kernel too it has without us.
            bare = [cmdline.without(line, self._put_in(change)) for line in made[image]]
            for unit in dict.fromkeys((*change.new, *change.old)):
                if any(cmdline.has(line, unit) for line in lines) and not any(cmdline.has(line, unit) for line in bare):
                    return f"take {unit} out of the entries without our arguments"
        return None

    def _lacking(self, normal: Collection[str]) -> list[str]:
        """The kernels that 10_linux makes entries for, by the names of images that it takes here, and that have none.

        Where there is no entry at all, grub.cfg is none of grub-mkconfig's.
        """
        prefixes = {image.partition("-")[0] for image in normal}
        return [
            version
            for version, names in self._names.items()
            for image in (f"{prefix}-{name}" for prefix in sorted(prefixes) for name in names)
            if image not in normal and self._tree.exists(f"/boot/{image}")
        ]


def contradictions(text: str, units: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each argument of a line that contradicts a unit, with that unit and the reason."""
    for theirs in cmdline.units(cmdline.parse(text).texts):
        for unit in units:
            reason = contradiction(unit, theirs)
            if reason is not None:
                yield theirs, unit, reason
                break


def _stays(seen: str, unit: str, reason: str) -> Refusal:
    remedy = "Take it out there by hand: conflicts=replace changes no value that a shell makes, or uses in some cases."
    return refuse("cmdline_conflict", f"{seen}, and {unit} is wanted: {reason}.", remedy=remedy)


def _path_of(name: str) -> tuple[str, ...]:
    """Return the folders in which the shell looks for a command; "" where its name is a path already."""
    return ("",) if "/" in name else _PATH


def role(entry: Entry) -> str:
    """Return whether an entry of grub.cfg has our arguments, is there to have none, or is none of our business."""
    if _is_fallback(entry):
        return FALLBACK
    return NORMAL if _is_normal(entry) else OTHER


def _is_drop_in(name: str) -> bool:
    return name.endswith(".cfg") and not name.startswith(".")  # as the shell's *.cfg


def _is_fallback(entry: Entry) -> bool:
    return entry.id.startswith(FALLBACK_ID) or any(parent.startswith(FALLBACK_ID) for parent in entry.parents)


def _is_normal(entry: Entry) -> bool:
    return _is_made_by_linux_script(entry) and entry.role in (EVERY_DAY, SIMPLE)


def _is_made_by_linux_script(entry: Entry) -> bool:
    # One that somebody copied into a script or file of theirs has the same identifier.
    return entry.script in (None, LINUX_SCRIPT) and entry.id.startswith("gnulinux-")


def _comes_through(unit: str) -> bool:
    """Tell whether the kernel gets a unit as it is meant, once GRUB's shell has read it and GRUB has written it."""
    got = [kernel_arguments(Variables({}).expand(command.words)[1:]) for command in commands("linux " + unit)]
    wanted = [argument.meaning for argument in cmdline.parse(unit).arguments]
    return [argument.meaning for argument in cmdline.parse(" ".join(got)).arguments] == wanted


def _image(entry: Entry) -> str:
    return (entry.linux or "").rpartition("/")[2]


def _all(lines: dict[str, list[str]]) -> Iterator[str]:
    return itertools.chain.from_iterable(lines.values())


def _edited(text: str, line: LineChange) -> str:
    """Return a file's text with one assignment changed; one that is added goes again when it is empty."""
    for found in grub_defaults.assignments(text):
        if (found.line, found.name) == (line.line, line.name) and found.text == line.before:
            start = text.rfind("\n", 0, found.start) + 1
            end = text.find("\n", found.end) + 1 or len(text)
            mark = next((one for one in (_MARK_IN_LINE, _MARK) if text[:start].endswith(one)), None)
            if not line.after and mark is not None:
                return text[: start - len(mark)] + text[end:]
            return grub_defaults.replace_value(text, found, line.after) or text
    mark = _MARK if text.endswith("\n") or not text else _MARK_IN_LINE
    quoted = line.after.replace('"', '\\"')
    return f'{text}{mark}{line.name}="{quoted}"\n'
