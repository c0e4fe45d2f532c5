# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The domain that exists before a run."""

from __future__ import annotations

from typing import NamedTuple

from ..._machine.guest import Mark
from ..._machine.xml_element import Element


class Existing(NamedTuple):
    """The domain that exists before a run, with what this collection noted in it."""

    domain: Element | None = None
    mark: Mark | None = None

    @property
    def is_adopted(self) -> bool:
        """Whether somebody else created it. Of such a domain, only what is requested by name is set."""
        return self.domain is not None and (self.mark is None or not self.mark.created)
