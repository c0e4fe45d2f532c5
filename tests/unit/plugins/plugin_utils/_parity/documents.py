# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of measurements for tests: documents as the role `parity` saves them."""

from __future__ import annotations

import random
from typing import Any

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.schedule import turns

#: A quiet machine: one that is measured within 0.1 %.
QUIET = 0.001


def document(ratios: dict[str, float], noise: float = QUIET, blocks: int = 6, **changes: Any) -> dict[str, Any]:
    """Return the result of a machine.

    Args:
        ratios: The value of the guest as a share of that of the host, by kind of work.
        noise: Standard deviation of the runs.
        blocks: How many blocks each phase has.
        changes: Keys of the document.
    """
    generator = random.Random(f"{sorted(ratios)} {noise}")
    phases = ("noise", "guest")
    items = [item for phase in phases for item in turns(dict.fromkeys(ratios, blocks), phase, "seed")]
    return {
        "version": 1,
        "limits": {"percent": 1.0, "latency_us": 20.0},
        "node": None,
        "seed": "seed",
        "plan": {},
        "native": side("ws1"),
        "guest": side("guest1"),
        "turns": [
            turn(item, number, ratios[item["kind"]] if item["side"] == "guest" else 1.0, generator, noise)
            for number, item in enumerate(items)
        ],
        **changes,
    }


def side(name: str, **conditions: str | None) -> dict[str, Any]:
    """Return what the module `benchmark` returned for a host."""
    shown = {"kernel": "6.1", "hypervisor": "no", "clocksource": "tsc", "governor": "performance", **conditions}
    return {"name": name, "cpus": [2, 3], "conditions": shown, "tools": {"sysbench": "sysbench 1.0.20"}, "kvm": {}}


def turn(item: dict[str, Any], number: int, ratio: float, generator: random.Random, noise: float) -> dict[str, Any]:
    """Return one turn, of ten seconds."""
    values = [100 * ratio * (1 + generator.gauss(0, noise)) for _run in range(item["runs"])]
    return {
        **{key: item[key] for key in ("phase", "kind", "block", "order", "side")},
        "samples": [{"value": value, "seconds": 5.0} for value in values],
        "before": counters(10 * number + 1),
        "after": counters(10 * number + 9),
        "process": None,
    }


def counters(at: float) -> dict[str, Any]:
    """Return counters of a host on which nothing happens but work in guests."""
    ticks = int(at * 100)
    return {"at": at, "kvm": {"exits": int(at)}, "cpu": {"user": ticks, "guest": ticks, "idle": 5}, "throttled": 0}
