# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on one host, derived from what the module host returned. Pure."""

from __future__ import annotations

import typing as t

Result = t.Mapping[str, t.Any]

#: Ansible could not reach the host.
UNREACHABLE = "unreachable"
#: The module refused the request; nothing was changed.
REFUSED = "refused"
#: Any other error: invalid variables, a tool that failed, a host that did not come back from its reboot.
FAILED = "failed"
#: The files differ from the request; a run would change them.
PENDING = "pending"
#: Every installed kernel would boot with the request; the running kernel does not show it. A reboot activates it.
STAGED = "staged"
#: Configured and staged, but the host is without a device that it should have: something else claims it.
DEGRADED = "degraded"
#: Configured and staged, but not everything is active, and a reboot alone will not help.
INCOMPLETE = "incomplete"
#: The host is as requested, but a guest of it was refused, or failed.
GUEST_FAILED = "guest_failed"
#: Everything is as requested, but a running guest lacks something that it should have: a device does not work in it.
GUEST_DEGRADED = "guest_degraded"
#: Everything is as requested, but a guest runs with an earlier definition, until it is shut down and started again.
GUEST_OUTDATED = "guest_outdated"
#: Configured and staged; whether everything is active is unknown.
UNKNOWN = "unknown"
#: Without root, not everything could be read, so that it is unknown whether a run would change something.
PARTIAL = "partial"
#: Everything requested is active.
ACTIVE = "active"
#: No configuration was requested.
UNMANAGED = "unmanaged"

#: All verdicts, worst first: the order in which they are counted.
VERDICTS = (
    UNREACHABLE,
    REFUSED,
    FAILED,
    GUEST_FAILED,
    PENDING,
    STAGED,
    DEGRADED,
    INCOMPLETE,
    GUEST_DEGRADED,
    GUEST_OUTDATED,
    UNKNOWN,
    PARTIAL,
    ACTIVE,
    UNMANAGED,
)


def verdict(result: Result, predicted: bool = False) -> str:
    """Return one of `VERDICTS`.

    Args:
        result: What the module host returned, or what Ansible returned in its place.
        predicted: Whether the module ran in check mode, so that its steps were not executed.
    """
    if result.get("unreachable"):
        return UNREACHABLE
    if result.get("refusals"):
        return REFUSED
    states = result.get("states")
    if result.get("failed") or not isinstance(states, t.Mapping):
        return FAILED
    guests = guests_of(result)
    if any(guest.get("failed") for guest in guests):
        return GUEST_FAILED
    if predicted and (result.get("steps") or any(guest.get("due") for guest in guests)):
        return PENDING
    return _applied_verdict(result, states)


def _applied_verdict(result: Result, states: Result) -> str:
    """Return the verdict on a host whose files are as requested."""
    requests = requests_of(result)
    if findings_of(result) and not result.get("reboot_required"):
        return DEGRADED
    if unreadable_of(result):
        return PARTIAL
    if result.get("reboot_required"):
        return STAGED
    if states.get("active") is False or any(request.get("active") is False for request in requests):
        return INCOMPLETE
    guests = guests_of(result)
    if any(findings_of(guest) for guest in guests):
        return GUEST_DEGRADED
    if any(guest.get("restart_required") for guest in guests):
        return GUEST_OUTDATED
    if states.get("active") is None:
        return UNKNOWN
    return ACTIVE if requests or guests else UNMANAGED


def findings_of(result: Result) -> list[Result]:
    """Return what a host has lost to others, or a guest lacks; an empty list if the module failed before it looked."""
    findings = result.get("findings")
    return [item for item in findings if isinstance(item, t.Mapping)] if isinstance(findings, (list, tuple)) else []


def unreadable_of(result: Result) -> list[str]:
    """Return the files that could not be read without root; an empty list if the module had root."""
    unreadable = result.get("unreadable")
    items = unreadable if isinstance(unreadable, (list, tuple)) else ()
    return [str(item.get("path")) for item in items if isinstance(item, t.Mapping)]


def requests_of(result: Result) -> list[Result]:
    """Return the single requests; an empty list if the module failed before it had any."""
    return _rows(result.get("requests"))


def guests_of(result: Result) -> list[Result]:
    """Return the rows of the guests; an empty list if none is requested."""
    return _rows(result.get("guests"))


def _rows(rows: t.Any) -> list[Result]:
    return [row for row in rows if isinstance(row, t.Mapping)] if isinstance(rows, (list, tuple)) else []
