# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims in the result of host_info as text. Pure."""

from __future__ import annotations

import typing as t

Json = t.Dict[str, t.Any]

_MOST_ADDRESSES = 4
_MOST_PLACES = 6
_EFFECTS = {
    "takes": "binds {} to {}",
    "withholds": "keeps the host's driver from {}",
    "orders": "loads {1} early",
    "recognised": "may bind {} to {}",
    "noted": "noted",
}


def claim_texts(host: Json) -> list[str]:
    """Return a text for each claim of a host; the same text in several places is one claim.

    Args:
        host: The `host` of the result of host_info.
    """
    claims = [claim for function in host["pci"].values() for claim in function["claims"]] + host["claims"]
    places: dict[str, dict[str, None]] = {}
    for claim in claims:
        managed = ", managed by this collection" if claim["managed"] else ""
        key = f"{_effect(claim)}: {claim['text']}{managed}"
        places.setdefault(key, {})[_place(claim)] = None
    return [f"{key}, in {_places(list(where))}" for key, where in places.items()]


def _effect(claim: Json) -> str:
    addresses = claim["addresses"]
    more = len(addresses) - _MOST_ADDRESSES
    functions = ", ".join(addresses[:_MOST_ADDRESSES]) + (f" and {more} more" if more > 0 else "")
    unknown = "functions" if claim["effect"] == "recognised" else "no present function"
    return _EFFECTS[claim["effect"]].format(functions or unknown, claim["driver"] or "another driver")


def _place(claim: Json) -> str:
    place = claim["path"] + (f", line {claim['line']}" if claim["line"] else "")
    place += f", {claim['origin']}" if claim["origin"] else ""
    return f"{place} ({', '.join(claim['applies_to']) or 'nothing reads it'})"


def _places(places: list[str]) -> str:
    more = len(places) - _MOST_PLACES
    return "; ".join(places[:_MOST_PLACES]) + (f"; and {more} more places" if more > 0 else "")
