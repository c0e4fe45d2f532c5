# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a parity measurement, assembled from what the tasks of the role `parity` registered."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity.result import VERSION

Json = t.Dict[str, t.Any]


def document(
    native: t.Mapping[str, t.Any],
    guest: t.Mapping[str, t.Any] | None,
    settings: t.Mapping[str, t.Any],
    turns: t.Iterable[t.Mapping[str, t.Any]],
) -> Json:
    """Return the JSON document that everything else is computed from.

    Args:
        native: What the module `benchmark` returned for the host without a kind, with its `name`.
        guest: The same for the guest; None if there is none.
        settings: `percent`, `latency_us`, `node`, `seed`, `plan`.
        turns: The results of a loop over turns, each with its turn as `item`.
    """
    return {
        "version": VERSION,
        "limits": {"percent": float(settings["percent"]), "latency_us": float(settings["latency_us"])},
        "node": settings.get("node"),
        "seed": str(settings.get("seed", "")),
        "plan": dict(settings.get("plan") or {}),
        "native": _side(native),
        "guest": _side(guest) if guest else None,
        "turns": [_turn(result) for result in turns],
    }


def _side(result: t.Mapping[str, t.Any]) -> Json:
    return {key: result.get(key) for key in ("name", "cpus", "conditions", "tools", "kvm")}


def _turn(result: t.Mapping[str, t.Any]) -> Json:
    place = {key: result["item"][key] for key in ("phase", "kind", "block", "order", "side")}
    return {
        **place,
        **{key: result.get(key) for key in ("samples", "before", "after")},
        "process": result.get("guest"),
    }
