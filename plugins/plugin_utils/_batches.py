# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches of hosts that are rebooted: the first are canaries, and too many failures stop the others. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._text import verdict as _verdict

Results = t.Mapping[str, t.Mapping[str, t.Any]]

CANARY, MOST_FAILED = "workstation_canary", "workstation_max_fail_percentage"
_COUNT = re.compile(r"([0-9]{1,6})(%?)", re.ASCII)
#: Verdicts on hosts that a reboot has brought where it should have.
_GOOD = (_verdict.ACTIVE, _verdict.UNKNOWN, _verdict.UNMANAGED, _verdict.GUEST_OUTDATED, _verdict.GUEST_FAILED)
_MOST_NAMES = 3


def canary_count(value: t.Any, hosts: int) -> int | None:
    """Return the number of canaries; None if the value is mistaken.

    Args:
        value: A number or a percentage of the hosts, at least one. None is no canary.
        hosts: How many hosts there are.
    """
    if value is None:
        return 0
    match = _COUNT.fullmatch(str(value).strip())
    # Ansible takes 0 in `serial` for all hosts at once.
    if match is None or int(match[1]) == 0 or (match[2] and int(match[1]) > 100):
        return None
    # As Ansible reads percentages in `serial`.
    return (int(hosts * int(match[1]) / 100) or 1) if match[2] else int(match[1])


def batch_mistakes(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Return the mistakes in the variables of batches.

    Args:
        variables: The values of the variables that are set, without templates.
    """
    mistakes = []
    if canary_count(variables.get(CANARY), 1) is None:
        mistakes.append(
            f"{CANARY}: found {variables[CANARY]!r:.80}, expected a number of hosts or a percentage, at least 1. "
            "Write it as in 2 or '5%', or leave it out to have no canary."
        )
    if failure_limit(variables.get(MOST_FAILED)) is None:
        mistakes.append(
            f"{MOST_FAILED}: found {variables[MOST_FAILED]!r:.80}, expected a percentage from 0 to 100. "
            "With 0, the first host that fails stops the others."
        )
    return mistakes


def failure_limit(value: t.Any) -> int | None:
    """Return the percentage of failed hosts that stops the others if it is exceeded; None if it is mistaken."""
    match = _COUNT.fullmatch(str(100 if value is None else value).strip())
    return int(match[1]) if match is not None and int(match[1]) <= 100 else None


def stop_reason(results: Results, canary: t.Any, most_failed: t.Any) -> str:
    """Return why no further host is rebooted; an empty string if the next batch may be.

    Args:
        results: What the module host returned for the hosts of the play, in their order, without the present batch.
        canary: The value of workstation_canary.
        most_failed: The value of workstation_max_fail_percentage.
    """
    words = {name: _verdict.verdict(result) for name, result in results.items()}
    canaries = list(words)[: canary_count(canary, len(words)) or 0]
    unverified = [name for name in canaries if words[name] not in _GOOD]
    if unverified:
        return f"the canary {_names(unverified)} did not show its configuration after its reboot"
    rebooted = [name for name, word in words.items() if word != _verdict.STAGED]
    failed = [name for name in rebooted if words[name] not in _GOOD]
    limit = failure_limit(most_failed)
    if limit is not None and len(failed) * 100 > limit * len(rebooted):
        return (
            f"{len(failed)} of {len(rebooted)} rebooted hosts failed ({_names(failed)}), "
            f"more than {MOST_FAILED} allows ({limit}%)"
        )
    return ""


def _names(names: t.Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
