# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the measurements: blocks of A B B A, with the kinds of work in another random order in each round.

A turn is one call of the module `benchmark`. The two runs of B in a block are one turn. The order is random, but the
same for the same seed, on every version of Python: it sorts by hashes.
"""

from __future__ import annotations

import hashlib
import typing as t

#: The phases: both sides native, which measures the noise; and native against guest.
NOISE, GUEST = "noise", "guest"
PHASES = (NOISE, GUEST)
#: Sides of a block, and how many runs each turn has.
_BLOCK = (("native", 1), ("guest", 2), ("native", 1))


def turns(blocks: t.Mapping[str, int], phase: str, seed: str) -> list[dict[str, t.Any]]:
    """Return the turns of a phase in their order.

    Args:
        blocks: How many blocks each kind of work has.
        phase: NOISE or GUEST.
        seed: What the order depends on.
    """
    return [
        {"phase": phase, "kind": kind, "block": block, "order": order, "side": _side(side, phase), "runs": runs}
        for block in range(max(blocks.values(), default=0))
        for kind in _shuffled((kind for kind, count in blocks.items() if count > block), f"{seed} {phase} {block}")
        for order, (side, runs) in enumerate(_BLOCK)
    ]


def _side(side: str, phase: str) -> str:
    return "native" if phase == NOISE else side


def _shuffled(kinds: t.Iterable[str], seed: str) -> list[str]:
    return sorted(kinds, key=lambda kind: hashlib.sha256(f"{seed} {kind}".encode()).digest())
