# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `guest-hook`, which the hook of libvirt runs with the definition of a guest on standard input."""

from __future__ import annotations

import sys

from .._apply import Busy
from .._apply.guest_cpus import GuestCpus
from .._machine.guest_start import StartNeeds
from .._machine.plan import Refusal
from .._machine.xml_element import XmlError, parse_xml
from .._plan.guest.hook import REFUSED
from .._plan.guest.start_check import needs_of, start_refusals
from .._plan.nearest import nearest
from .._plan.refusal_text import paragraphs
from .._probe import probe
from .commands import OK, OPERATION, CommandFailed, Invocation
from .output import complain

_PREPARE, _STARTED, _RECONNECT, _RELEASE = OPERATIONS = ("prepare", "started", "reconnect", "release")


def guest_hook(invocation: Invocation) -> int:
    """Check the host before a guest starts, and reserve its CPUs until it ends.

    Returns:
        REFUSED if the guest can't start; the reasons are on standard error, which libvirt reports.
    """
    operation = _operation(invocation)
    try:
        needs = needs_of(parse_xml(sys.stdin.buffer.read().decode("utf-8", "replace")))
    except XmlError as error:
        raise CommandFailed(f"standard input: expected the definition of a guest: {error}.") from error
    refusals = start_refusals(probe(invocation.root).host, needs) if operation == _PREPARE else ()
    if refusals:
        complain(_text(needs, refusals))
        return REFUSED
    _reserve_cpus(GuestCpus(invocation.root), needs.name, is_end=operation == _RELEASE)
    return OK


def _reserve_cpus(cpus: GuestCpus, name: str, *, is_end: bool) -> None:
    try:
        if is_end:
            cpus.release(name)
        else:
            cpus.hold(name)
    except (Busy, OSError) as error:
        raise CommandFailed(f"{name}: the CPUs for guests could not be reserved or returned: {error}") from error


def _operation(invocation: Invocation) -> str:
    operation = invocation.values.get(OPERATION.name, "")
    if operation in OPERATIONS:
        return operation
    meant = nearest(operation, OPERATIONS)
    remedy = f"Did you mean {meant}?" if meant else f"Name one of {', '.join(OPERATIONS)}."
    raise CommandFailed(f"{OPERATION.name}: found {operation!r}. {remedy}")


def _text(needs: StartNeeds, refusals: tuple[Refusal, ...]) -> str:
    lines = [f"vfio-workstation: {needs.name} can't start:"]
    for paragraph in paragraphs(refusals):
        lines += [f"  {line}" for seen in paragraph.seen for line in seen.splitlines()]
        lines.append(f"    What to do: {paragraph.remedy}")
    return "\n".join(lines)
