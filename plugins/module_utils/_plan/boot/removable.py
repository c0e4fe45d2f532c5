# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which foreign kernel arguments that take functions can be removed wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ..._machine import cmdline
from ..._machine.claims import Claim

if TYPE_CHECKING:
    from .loaders.protocol import BootLoader

#: The command line of the running kernel, which is only read.
_RUNNING = "/proc/cmdline"


def removable_arguments(loader: BootLoader, claims: Iterable[Claim]) -> frozenset[str]:
    """Return the arguments that a change can remove from every line that has them.

    Of a parameter that several arguments set, all can be removed, or none: the last one hides the others.

    Args:
        loader: The boot loader.
        claims: The claims of kernel command lines, without those of this collection.
    """
    by_parameter: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        by_parameter.setdefault(_parameters(claim), []).append(claim)
    return frozenset(
        claim.text for parameter in by_parameter.values() if _all_removable(loader, parameter) for claim in parameter
    )


def _all_removable(loader: BootLoader, claims: list[Claim]) -> bool:
    written = [claim for claim in claims if claim.path != _RUNNING]
    return bool(written) and all(loader.can_remove(claim.text, claim.path, claim.line) for claim in written)


def _parameters(claim: Claim) -> tuple[str, ...]:
    return tuple(argument.name for argument in cmdline.parse(claim.text).arguments)
