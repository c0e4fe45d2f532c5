# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of one machine, in a word, by what the module host returned for it. Pure, and on the controller only."""

from __future__ import annotations

import typing as t

Result = t.Mapping[str, t.Any]

#: Ansible could not reach it.
UNREACHABLE = "unreachable"
#: The module refused, and nothing was changed.
REFUSED = "refused"
#: Something else went wrong: variables that can't be read, a tool that failed, a machine that did not come back.
FAILED = "failed"
#: Not what was asked for yet; a run would change it.
DUE = "due"
#: Every installed kernel would boot with it, and the running one does not show it.
STAGED = "staged"
#: In place, and yet something is not active, and no reboot brings it.
INCOMPLETE = "incomplete"
#: Whether it is active can't be told.
UNKNOWN = "unknown"
#: All that was asked for is active.
ACTIVE = "active"
#: Nothing was asked for.
NOTHING = "nothing"

#: Every word, worst first: so are they counted.
VERDICTS = (UNREACHABLE, REFUSED, FAILED, DUE, STAGED, INCOMPLETE, UNKNOWN, ACTIVE, NOTHING)


def verdict(result: Result, predicted: bool = False) -> str:
    """Return one of `VERDICTS`.

    Args:
        result: What the module host returned, or what Ansible did in its place.
        predicted: Whether the module was in check mode, so that its steps were not done.
    """
    if result.get("unreachable"):
        return UNREACHABLE
    if result.get("refusals"):
        return REFUSED
    states = result.get("states")
    if result.get("failed") or not isinstance(states, t.Mapping):
        return FAILED
    if predicted and result.get("steps"):
        return DUE
    return _standing(result, states)


def _standing(result: Result, states: Result) -> str:
    requests = requests_of(result)
    if result.get("reboot_required"):
        return STAGED
    if states.get("active") is False or any(request.get("active") is False for request in requests):
        return INCOMPLETE
    if states.get("active") is None:
        return UNKNOWN
    return ACTIVE if requests else NOTHING


def requests_of(result: Result) -> list[Result]:
    """Return what was asked for, one by one; none where the module did not come that far."""
    requests = result.get("requests")
    return (
        [request for request in requests if isinstance(request, t.Mapping)]
        if isinstance(requests, (list, tuple))
        else []
    )
