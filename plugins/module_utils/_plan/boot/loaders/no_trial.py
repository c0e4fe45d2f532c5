# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trial boots of a boot loader that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ...refusals import refuse

if TYPE_CHECKING:
    from ...._machine.plan import Refusal, Step


class NoTrial:
    """A boot loader for which trial boots are not supported.

    Args:
        reason: Why, as a sentence.
    """

    kernel: str | None = None
    choice: str | None = None

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def refusals(self) -> Sequence[Refusal]:
        """Return the reason."""
        return (refuse("trial_unsupported", self._reason),)

    def steps(self, _choice: str | None, _present: str | None, _kernel: str) -> Sequence[Step]:
        """Return no step."""
        return ()
