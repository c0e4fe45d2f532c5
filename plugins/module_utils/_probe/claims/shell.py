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

from ..._machine.claims import ORDERS, RECOGNISED, TAKES, driver_of, is_guest_driver
from ..tree import Tree
from .arguments import Meaning
from .files import SCRIPT_LIMIT, Line, content
from .functions import Functions

#: What makes a text worth reading.
MENTION = re.compile(
    r"vfio[-_]pci|driver_override|pci[-_]stub\b|pciback|nodedev-dett?ach|/new_id\b|driverctl\b|dpdk-devbind"
)
_GUEST_DRIVER = re.compile(r"(?:\w+[-_])?vfio[-_]pci|pci[-_]stub\b|pciback")
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:(?:export|local|readonly|declare|typeset)[ \t]+(?:-\w+[ \t]+)*)?([A-Za-z_]\w*)="
    r"(?:\"([^\"]{0,2048})\"|'([^']{0,2048})'|\(([^)]{0,2048})\)|([^\s;&|()\"'`]*))",
    re.MULTILINE,
)
_LOOP = re.compile(r"\bfor[ \t]+([A-Za-z_]\w*)[ \t]+in[ \t]+([^;\n]*)()()()")
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
_LOADS = re.compile(r"\b(?:modprobe|insmod)[ \t]+(?:-\S+[ \t]+)*([^;&|]+)")
_COMPUTED = re.compile(r"[$`*?{}]")
_PROGRAM = re.compile(r"(?<![\w/.$}])/(?:[\w.+@-]+/)+[\w.+@-]+")
#: Interpreters, and the kernel's own files: no scripts that bind functions.
_NO_SCRIPTS = ("/bin/", "/sbin/", "/usr/bin/env", "/usr/bin/sh", "/usr/bin/bash", "/sys/", "/proc/", "/dev/")
#: The effect of a command that only clears an override.
_NOTHING = Meaning(None, TAKES, ())
_MOST_PROGRAMS = 8
_MOST_EXPANSIONS = 64
_MOST_STEPS = 512
_LONGEST_LINE = 4096


class Effect(NamedTuple):
    """A line of a script, and its effect."""

    line: Line
    meaning: Meaning


class Place(NamedTuple):
    """A line of a file, or of a script that the file runs, and its effect."""

    path: str
    line: Line
    meaning: Meaning
    origin: str | None


def read_script(text: str, functions: Functions) -> list[Effect]:
    """Return the effects of a script, or of a single command, on PCI functions.

    Args:
        text: The script.
        functions: The PCI functions of the host.
    """
    if not MENTION.search(text):
        return []
    variables = _variables(text)
    done: list[Effect] = []
    loads: list[Effect] = []
    unclear: list[Line] = []
    script = list(_lines(text))
    for line in script:
        if not MENTION.search(line.text):
            continue
        if len(line.text) > _LONGEST_LINE:
            unclear.append(line)
            continue
        meanings = list(_meanings(line.text, variables, functions))
        driver = next(filter(is_guest_driver, " ".join(_LOADS.findall(line.text)).split()), None)
        done.extend(Effect(line, meaning) for meaning in dict.fromkeys(meanings) if meaning not in (None, _NOTHING))
        if None in meanings or (not meanings and driver is None):
            unclear.append(line)
        elif not meanings and driver is not None:
            loads.append(Effect(line, Meaning(driver_of(driver), ORDERS, ())))
    if unclear and not done:
        everything = "\n".join(line.text for line in script)
        named = _GUEST_DRIVER.search(everything)
        addresses = functions.mentioned(everything)
        return [Effect(unclear[0], Meaning(driver_of(named.group()) if named else None, RECOGNISED, addresses))]
    return done or loads[:1]


def read_command(tree: Tree, path: str, line: Line, command: str, functions: Functions) -> list[Place]:
    """Return the effects of a command in a file of another kind, and of the scripts that it names.

    Args:
        tree: The host.
        path: The file.
        line: The line of that file, as it is written.
        command: The command on that line.
        functions: The PCI functions of the host.
    """
    direct = [Place(path, line, effect.meaning, None) for effect in read_script(command, functions)]
    origin = f"run by {path}, line {line.number}"
    of_scripts = [
        Place(script, effect.line, effect.meaning, origin)
        for script, text in _scripts(tree, command)
        for effect in read_script(text, functions)
    ]
    # A name such as vfio-pci-bind.sh means nothing once the script itself has been read.
    return [place for place in direct if not of_scripts or place.meaning.effect != RECOGNISED] + of_scripts


def _scripts(tree: Tree, command: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each script that a command names and that mentions a driver for guests."""
    for path in itertools.islice(dict.fromkeys(_PROGRAM.findall(command)), _MOST_PROGRAMS):
        if not path.startswith(_NO_SCRIPTS) and tree.data(path, 4, head=True) not in (None, b"\x7fELF"):
            text = content(tree, path, SCRIPT_LIMIT)
            if text is not None and MENTION.search(text):
                yield path, text


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


def _variables(text: str) -> dict[str, list[str]]:
    """Return the words of all assignments to each variable, loops included."""
    variables: dict[str, list[str]] = {}
    for match in (*_ASSIGNMENT.finditer(text), *_LOOP.finditer(text)):
        value = next((group for group in match.groups()[1:] if group), "")
        words = [word.strip("\"'") for word in value.replace("\\\n", " ").split()]
        variables.setdefault(match.group(1), []).extend(words[:_MOST_EXPANSIONS])
    return variables


def _expanded(line: str, variables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each word of the variables in it; the line as it is if that has no end."""
    pending = [line]
    done: list[str] = []
    for _step in range(_MOST_STEPS):
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
