# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with kernel arguments that a person writes, before anybody looks at a machine."""

from __future__ import annotations

import itertools
from typing import Iterator, NamedTuple, Sequence

from ..._machine.cmdline import is_balanced, meanings, parse, units
from .argument_rules import contradiction


class Problem(NamedTuple):
    """What is wrong with an argument."""

    seen: str  # a predicate: "is empty"
    expected: str
    remedy: str


def argument_problem(text: str) -> Problem | None:
    """Return why a text can't be put on a command line, or None where it can; it may be several arguments."""
    parsed = parse(text)
    if not text.strip():
        return Problem("is empty", "an argument, such as quiet or mitigations=auto", "Leave it out.")
    if not text.isprintable() or not text.isascii():
        seen = "has characters that are not printable ASCII, which a command line is made of"
        return Problem(seen, "printable ASCII, which a command line is made of", "Write it without other characters.")
    if not is_balanced(text):
        seen = "has a double quote that is not closed: the kernel would take what follows into it"
        return Problem(seen, "each double quote to be closed: the kernel takes what follows into it", "Close it.")
    if parsed.rest.strip():
        seen = "has `--`: what follows is for init, not for the kernel"
        return Problem(seen, "no `--`: what follows is for init, not for the kernel", "Leave it out.")
    if any(argument.name == "" for argument in parsed.arguments):
        return Problem("has a value without a name", "a name before the value", "Write name=value.")
    return None


def argument_clashes(texts: Sequence[str]) -> Iterator[str]:
    """Yield what can't be said in one breath: an argument that is there twice, and two that contradict each other."""
    for one, other in itertools.combinations(units(texts), 2):
        if meanings(one) == meanings(other):
            yield f"{one} is there twice. Leave one out."
            continue
        reason = contradiction(one, other)
        if reason is not None:
            yield f"{one} and {other} can't be given together: {reason}. Decide for one."
