# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effect of a line or word on PCI functions, apart from where it is written."""

from __future__ import annotations

from typing import NamedTuple

from ..._machine.claims import Claim
from .files import shown


class Meaning(NamedTuple):
    """A driver, an effect, and the functions concerned."""

    driver: str | None
    effect: str
    addresses: tuple[str, ...]

    def claim(
        self,
        kind: str,
        path: str,
        line: int | None,
        text: str,
        applies_to: tuple[str, ...],
        *,
        managed: bool = False,
        origin: str | None = None,
    ) -> Claim:
        """Return the claim of a line or word that has this effect."""
        return Claim(
            kind, path, line, shown(text), origin, self.driver, self.effect, self.addresses, applies_to, managed
        )
