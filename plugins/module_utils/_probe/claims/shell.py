# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bindings that shell scripts make: commands with literal words are understood, and loops over lists of them.

Nothing is run, and conditions are not evaluated: a command in a branch counts. If a command computes its driver or its
device, the script is recognised as one that may bind the functions whose addresses it contains.
"""

from __future__ import annotations

import itertools
import re
from typing import Iterator, Mapping, NamedTuple, Sequence

from ..._machine.claims import ORDERS, RECOGNISED, TAKES, Claim, run_by
from ..._machine.guest_drivers import driver_of, is_guest_driver
from ..tree import Tree
from .files import SCRIPT_LIMIT, Line, content
from .functions import Functions
from .meaning import Meaning

#: Parts of what _MENTION matches: to search for them first takes a third of the time.
_WORDS = ("vfio", "_override", "pci-stub", "pci_stub", "pciback", "nodedev-", "new_id", "set-override", "devbind")
_MENTION = re.compile(
    r"vfio[-_]pci|driver_override|pci[-_]stub\b|pciback|nodedev-dett?ach|/new_id\b|set-override\b|dpdk-devbind"
)
_GUEST_DRIVER = re.compile(r"(?:\w+[-_])?vfio[-_]pci|pci[-_]stub\b|pciback")
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:(?:export|local|readonly|declare|typeset)[ \t]+(?:-\w+[ \t]+)*)?([A-Za-z_]\w*)\+?="
    r"(?:\"([^\"]{0,2048})\"|'([^']{0,2048})'|\(([^)]{0,2048})\)|([^\s;&|()\"'`]*))",
    re.MULTILINE,
)
_LOOP = re.compile(r"\bfor[ \t]+([A-Za-z_]\w*)[ \t]+in[ \t]+([^;\n]{0,2048})()()()")
_REFERENCE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:\[[@*]\])?\})")
_INTO = r"[ \t]*(?:>+|\|[ \t]*(?:sudo[ \t]+)?tee(?:[ \t]+-a)?)[ \t]*[^\s;&|]*"
_ECHO = r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+){0,4}"
#: Commands that bind functions, without their quotes.
_COMMANDS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_ECHO}(?P<driver>[^|>;&]{{0,200}}?){_INTO}/(?P<device>[^/\s;&|]+)/driver_override\b",
        rf"{_ECHO}(?P<ids>[^|>;&]{{0,200}}?){_INTO}/drivers/(?P<driver>[^/\s;&|]+)/new_id\b",
        rf"{_ECHO}(?P<device>[^|>;&]{{0,200}}?){_INTO}/drivers/(?P<driver>[^/\s;&|]+)/bind\b",
        r"\bdriverctl(?:[ \t]+-\S+)*[ \t]+set-override[ \t]+(?P<device>\S+)[ \t]+(?P<driver>[^\s;&|]+)",
        r"\bdpdk-devbind(?:\.py)?[ \t]+(?:-b[ \t]+|--bind[= ])(?P<driver>\S+)[ \t]+(?P<device>[^;&|]+)",
        r"\bnodedev-dett?ach[ \t]+(?:--device[ \t]+)?(?P<device>[^\s;&|]+)",
        r"\bmodprobe[ \t]+(?:-\S+[ \t]+)*(?P<driver>\S+)[ \t](?:[^;&|]{0,400}[ \t])?ids=(?P<ids>[^\s;&|]+)",
    )
)
#: Commands that load modules, and functions of the initramfs generators that put modules in to be loaded.
_LOADS = re.compile(
    r"\b(?:modprobe|insmod|kmod load|force_load|manual_add_modules|instmods|add_module|add_checked_modules)[ \t]+"
    r"(?:-\S+[ \t]+)*([^;&|]+)"
)
_COMPUTED = re.compile(r"[$`*?{}]")
_PROGRAM = re.compile(r"(?<![\w/.$}])/(?:[\w.+@-]+/)+[\w.+@-]+")
#: Directories of packages and of the kernel, whose files bind no functions, unless their names hint at it.
_PACKAGED = ("/bin/", "/sbin/", "/lib/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/usr/share/")
_KERNELS = ("/sys/", "/proc/", "/dev/")
SCRIPT_NAME = re.compile(r"vfio|pci|gpu|pass|bind|stub|override", re.IGNORECASE)
#: A text without these names no script to read.
_MAY_RUN_SCRIPTS = re.compile(rf"/(?:usr/local|etc|opt|root|home|srv|var|mnt)/|{SCRIPT_NAME.pattern}", re.IGNORECASE)
#: The effect of a command that only clears an override.
_NOTHING = Meaning(None, TAKES, ())
_MAX_PROGRAMS = 8
_MAX_PATHS = 64
_MAX_EXPANSIONS = 64
_MAX_STEPS = 512
_LONGEST_LINE = 4096


class Effect(NamedTuple):
    """A line of a script, and its effect."""

    line: Line
    meaning: Meaning

    def claim(self, kind: str, path: str, applies_to: tuple[str, ...], managed: bool) -> Claim:
        """Return the claim of the line."""
        return self.meaning.claim(kind, path, self.line.number, self.line.text, applies_to, managed=managed)


class Place(NamedTuple):
    """A line of a file, or of a script that the file runs, and its effect."""

    path: str
    line: Line
    meaning: Meaning
    origin: str | None

    def claim(self, kind: str, applies_to: tuple[str, ...], managed: bool) -> Claim:
        """Return the claim of the line."""
        return self.meaning.claim(
            kind, self.path, self.line.number, self.line.text, applies_to, managed=managed, origin=self.origin
        )


def mentions(text: str) -> bool:
    """Return whether a text mentions a driver for guests, or a way to bind one."""
    return any(word in text for word in _WORDS) and _MENTION.search(text) is not None


def read_script(text: str, functions: Functions) -> list[Effect]:
    """Return the effects of a script, or of a single command, on PCI functions.

    Args:
        text: The script.
        functions: The PCI functions of the host.
    """
    if not mentions(text):
        return []
    script = list(_lines(text))
    mentioning = [line for line in script if _MENTION.search(line.text)]
    done, loads, unclear = _sorted_by_clarity(mentioning, _variables(text), functions)
    if unclear and not done:
        everything = "\n".join(line.text for line in script)
        named = _GUEST_DRIVER.search(everything)
        addresses = functions.mentioned(everything)
        return [Effect(unclear[0], Meaning(driver_of(named.group()) if named else None, RECOGNISED, addresses))]
    return done or loads[:1]


def _sorted_by_clarity(
    lines: Sequence[Line], variables: Mapping[str, list[str]], functions: Functions
) -> tuple[list[Effect], list[Effect], list[Line]]:
    """Return what lines do to functions, which drivers they only load, and those that are not understood."""
    done: list[Effect] = []
    loads: list[Effect] = []
    unclear: list[Line] = []
    for line in lines:
        if len(line.text) > _LONGEST_LINE:
            unclear.append(line)
            continue
        meanings = list(_meanings(line.text, variables, functions))
        driver = next(filter(is_guest_driver, " ".join(_LOADS.findall(line.text)).split()), None)
        done.extend(Effect(line, meaning) for meaning in _joined(meanings, functions))
        if None in meanings or (not meanings and driver is None):
            unclear.append(line)
        elif not meanings and driver is not None:
            loads.append(Effect(line, Meaning(driver_of(driver), ORDERS, ())))
    return done, loads, unclear


def read_commands(tree: Tree, path: str, text: str, functions: Functions, line: Line | None = None) -> list[Place]:
    """Return the effects of commands, and of the scripts that they run.

    Args:
        tree: The host.
        path: The file that has the commands.
        text: The commands.
        functions: The PCI functions of the host.
        line: The line of the file that has them all; None if they are the file.
    """
    direct = [Place(path, line or effect.line, effect.meaning, None) for effect in read_script(text, functions)]
    of_scripts = [
        Place(script, effect.line, effect.meaning, run_by(path, (line or command).number))
        for command, script, content_ in itertools.islice(_scripts(tree, text), _MAX_PROGRAMS)
        for effect in read_script(content_, functions)
    ]
    # A name such as vfio-pci-bind.sh means nothing once the script itself has been read.
    return [place for place in direct if not of_scripts or place.meaning.effect != RECOGNISED] + of_scripts


def assignments(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the line, the name and the words of each assignment of literal words, arrays included."""
    line, counted = 1, 0
    for match in _ASSIGNMENT.finditer(text):
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        yield line, match.group(1), _words(match)


def _scripts(tree: Tree, text: str) -> Iterator[tuple[Line, str, str]]:
    """Yield the line, the path and the text of each script that commands name and that mentions a driver for guests."""
    paths = set()
    for line in _lines(text) if _MAY_RUN_SCRIPTS.search(text) else ():
        for path in _PROGRAM.findall(line.text):
            is_packaged = path.startswith(_PACKAGED) and not SCRIPT_NAME.search(path.rpartition("/")[2])
            if path in paths or is_packaged or path.startswith(_KERNELS):
                continue
            paths.add(path)
            if len(paths) > _MAX_PATHS:
                return
            if tree.data(path, 4, head=True) not in (None, b"\x7fELF"):
                script = content(tree, path, SCRIPT_LIMIT)
                if script is not None and mentions(script):
                    yield line, path, script


def _meanings(line: str, variables: Mapping[str, Sequence[str]], functions: Functions) -> Iterator[Meaning | None]:
    """Yield the effect of each command on a line; None for a command that computes its driver or its device."""
    for expanded in _expanded(line, variables):
        plain = expanded.replace('"', "").replace("'", "")
        for match in (match for pattern in _COMMANDS for match in pattern.finditer(plain)):
            parts = match.groupdict()
            driver = parts.get("driver", "vfio-pci").strip()
            named = parts.get("device") or parts.get("ids") or ""
            if not driver:
                yield _NOTHING  # clears an override
            elif _COMPUTED.search(driver) or _COMPUTED.search(named):
                yield None
            elif "ids" in parts and is_guest_driver(driver):
                yield Meaning(driver_of(driver), TAKES, functions.with_ids(":".join(named.split())))
            elif "device" in parts and re.fullmatch(r"[\w-]+", driver):
                yield Meaning(driver_of(driver), TAKES, functions.mentioned(named))


def _joined(meanings: Sequence[Meaning | None], functions: Functions) -> Iterator[Meaning]:
    """Yield the effects of a line, one for each driver: a loop binds several functions."""
    by_driver: dict[str | None, list[str]] = {}
    for meaning in meanings:
        if meaning is not None and meaning != _NOTHING:
            by_driver.setdefault(meaning.driver, []).extend(meaning.addresses)
    for driver, addresses in by_driver.items():
        yield Meaning(driver, TAKES, functions.present(addresses))


def _variables(text: str) -> dict[str, list[str]]:
    """Return the words of all assignments to each variable, loops included."""
    variables: dict[str, list[str]] = {}
    for match in (*_ASSIGNMENT.finditer(text), *_LOOP.finditer(text)):
        variables.setdefault(match.group(1), []).extend(_words(match)[:_MAX_EXPANSIONS])
    return variables


def _words(match: re.Match[str]) -> list[str]:
    """Return the words of a value in an assignment or a loop."""
    value = next((group for group in match.groups()[1:] if group), "")
    return [word.strip("\"'") for word in value.replace("\\\n", " ").split()]


def _expanded(line: str, variables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each word of the variables in it; the line as it is if that has no end."""
    pending = [line]
    done: list[str] = []
    for _step in range(_MAX_STEPS):
        if not pending:
            return done
        text = pending.pop()
        names = ((match, match.group(1) or match.group(2)) for match in _REFERENCE.finditer(text))
        match, name = next(((match, name) for match, name in names if variables.get(name)), (None, ""))
        if match is None or len(text) > _LONGEST_LINE:
            done.append(text)
        else:
            pending.extend(text[: match.start()] + word + text[match.end() :] for word in variables[name])
    return [line]


def _lines(text: str) -> Iterator[Line]:
    """Yield the lines of a script without comments; a backslash does not continue a comment."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not parts:
            first = number
            if line.lstrip().startswith("#"):
                continue
        parts.append(line.rstrip("\r"))
        if parts[-1].endswith("\\"):
            parts[-1] = parts[-1][:-1]
            continue
        yield Line(first, "".join(parts).strip())
        parts = []
    if parts:
        yield Line(first, "".join(parts).strip())
