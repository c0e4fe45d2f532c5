# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conflicts that can't be set aside: a foreign argument contradicts a requested unit, and a shell computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator, Sequence

from ...._machine import cmdline
from ...._machine.boot_config import NORMAL, EntryLine
from ...._probe.boot.grub_defaults import is_computed, replace_value
from ...refusals import refuse
from ..argument_rules import contradiction
from .grub_settings import VARIABLES

if TYPE_CHECKING:
    from ...._machine.plan import Refusal
    from .grub_settings import GrubSettings


def contradictions(text: str, units: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each argument of a command line that contradicts a unit, with that unit and the reason."""
    for argument in cmdline.units(cmdline.parse(text).texts):
        for unit in units:
            reason = contradiction(unit, argument)
            if reason is not None:
                yield argument, unit, reason
                break


def conflicts_in_settings(settings: GrubSettings, units: Sequence[str]) -> Iterator[Refusal]:
    """Yield the arguments in a setting that contradict a unit and can't be removed from the setting's text."""
    for setting in settings.effective:
        path, assignment = setting
        for argument, unit, reason in contradictions(assignment.text, units):
            rest = cmdline.without(assignment.text, (argument,))
            if replace_value(settings.files[path], assignment, rest) is None:
                yield _refusal(
                    f"{setting.place} has {argument}, which conflicts with the requested {unit}: {reason}. A shell "
                    f"computes this value, or uses it conditionally: {setting.text}"
                )


def conflicts_in_entries(
    settings: GrubSettings, entries: Iterable[EntryLine], own_values: Iterable[str], units: Sequence[str]
) -> Iterator[Refusal]:
    """Yield the arguments of entries that contradict a unit, and that are in no setting, so a shell computed them.

    Args:
        settings: The settings.
        entries: The entries of grub.cfg.
        own_values: The values in this collection's own drop-in.
        units: The requested units.
    """
    computed = next((setting for setting in settings.effective if is_computed(setting.assignment, VARIABLES)), None)
    if computed is None:
        return
    values = [*(setting.assignment.text for setting in settings.effective), *own_values]
    conflicts = dict.fromkeys(
        (entry.path, argument, unit, reason)
        for entry in entries
        if entry.role == NORMAL
        for argument, unit, reason in contradictions(entry.text, units)
        if not any(cmdline.has(value, argument) for value in values)
    )
    for config, argument, unit, reason in conflicts:
        yield _refusal(
            f"Entries of {config} have {argument}, which conflicts with the requested {unit}: {reason}. It is in no "
            f"setting, and {computed.place} has a value that a shell computes: {computed.text}"
        )


def _refusal(seen: str) -> Refusal:
    remedy = "Remove it by hand: conflicts=replace changes no value that a shell computes or uses conditionally."
    return refuse("cmdline_conflict", seen, remedy=remedy)
