# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run without root can say: a file that could not be read is no evidence that something is wrong."""

from __future__ import annotations

from typing import Iterable, Mapping

from .._machine import Unreadable
from .._machine.plan import Refusal
from .outcome import Outcome

_INCOMPLETE = "Inspected without root: the result is incomplete. The value unreadable lists what could not be read."
#: Codes that a file without read permission causes too, and the beginning of the values that it is missing from.
_RESTS_ON: Mapping[str, str] = {
    "bootloader_broken": "boot.",
    "bootloader_unsupported": "boot.",
    "cmdline_unreadable": "boot.",
    "initramfs_unsupported": "boot.",
    "iommu_unknown": "iommu.",
}


def without_root(outcome: Outcome) -> Outcome:
    """Return the outcome with warnings in place of the refusals that rest on unreadable files."""
    unreadable = outcome.tree.unreadable
    if not unreadable:
        return outcome
    uncertain = [refusal for refusal in outcome.refusals if _is_uncertain(refusal, unreadable)]
    unchecked = [f"Could not be checked without root: [{refusal.code}] {refusal.seen}" for refusal in uncertain]
    return outcome._replace(
        refusals=tuple(refusal for refusal in outcome.refusals if refusal not in uncertain),
        warnings=(*outcome.warnings, *unchecked, _INCOMPLETE),
    )


def _is_uncertain(refusal: Refusal, unreadable: Iterable[Unreadable]) -> bool:
    beginning = _RESTS_ON.get(refusal.code)
    # A file that the plan needs and the probe does not has no values.
    return beginning is not None and any(
        not file.values or any(value.startswith(beginning) for value in file.values) for file in unreadable
    )
