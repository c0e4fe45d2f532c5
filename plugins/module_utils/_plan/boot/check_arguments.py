# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validation of requested kernel arguments, independent of the machine."""

from __future__ import annotations

import itertools
from typing import Iterator, NamedTuple, Sequence

from ..._machine.cmdline import is_balanced, meanings, parse, units
from .argument_rules import contradiction


class Problem(NamedTuple):
    """Why an argument is invalid."""

    seen: str  # a predicate, for a sentence that begins with the argument: "is empty"
    expected: str
    remedy: str


def argument_problem(text: str) -> Problem | None:
    """Return why a text of one or more arguments can't be put on a command line; None if it can."""
    parsed = parse(text)
    if not text.strip():
        return Problem("is empty", "an argument, such as quiet or mitigations=auto", "Remove it.")
    if not text.isprintable() or not text.isascii():
        return Problem("has characters that are not printable ASCII", "printable ASCII only", "Remove them.")
    if not is_balanced(text):
        seen = "has a double quote that is not closed: the kernel would take the arguments that follow into this one"
        return Problem(seen, "each double quote to be closed", "Close it.")
    if parsed.rest.strip():
        seen = "has `--`: arguments after it go to init, not to the kernel"
        return Problem(seen, "no `--`: arguments after it go to init, not to the kernel", "Remove it.")
    if any(argument.name == "" for argument in parsed.arguments):
        return Problem("has a value without a name", "a name before the value", "Write name=value.")
    return None


def argument_clashes(texts: Sequence[str]) -> Iterator[str]:
    """Yield a message for each pair of argument units that are the same or contradict each other."""
    for unit, other in itertools.combinations(units(texts), 2):
        if meanings(unit) == meanings(other):
            yield f"{unit} is given twice. Remove one."
            continue
        reason = contradiction(unit, other)
        if reason is not None:
            yield f"{unit} and {other} can't be given together: {reason}. Remove one of them."
