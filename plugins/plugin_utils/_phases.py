# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that each phase of the playbook provision is for. Pure; runs on the controller only."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import ABSENT
from ansible_collections.vfio.workstation.plugins.module_utils._text import verdict as _verdict

Variables = t.Mapping[str, t.Any]

#: A pattern for no host: Ansible refuses a play whose list of hosts is empty.
NOBODY = ["all:!all"]


class Run(t.NamedTuple):
    """What is the same for all hosts of a run; what is set for the play takes precedence over a host's variables."""

    check_mode: bool
    state: str = ""
    reboot: str = ""

    def state_of(self, variables: Variables) -> str:
        """Return workstation_state of a host."""
        return self.state or str(variables.get("workstation_state") or "present")

    def reboot_of(self, variables: Variables) -> str:
        """Return workstation_reboot of a host."""
        return self.reboot or str(variables.get("workstation_reboot") or "never")


def phase_hosts(hostvars: t.Mapping[str, Variables], phase: str, names: t.Iterable[str], run: Run) -> list[str]:
    """Return the hosts of a phase, in their order, or a pattern that matches no host.

    Args:
        hostvars: The variables of each host.
        phase: A key of `PHASES`.
        names: All hosts of the inventory.
        run: The run.
    """
    is_due = PHASES[phase]
    hosts = []
    # An inventory need not name localhost.
    for name in dict.fromkeys((*names, "localhost")):
        # There are no hosts in a check of the syntax.
        variables = hostvars.get(name, {})
        result = variables.get("workstation_result")
        if isinstance(result, t.Mapping) and is_due(variables, result, run):
            hosts.append(name)
    return hosts or NOBODY


def _applies(variables: Variables, result: Variables, run: Run) -> bool:
    """Return whether there is something to apply, or nothing is requested, so that the host is reported instead."""
    word = _verdict.verdict(result, predicted=True)
    if word == _verdict.PENDING:
        return not run.check_mode
    is_bare = word in (_verdict.UNMANAGED, _verdict.PARTIAL) and not _verdict.requests_of(result)
    return is_bare and not _verdict.guests_of(result) and run.state_of(variables) == "present"


def _asks(variables: Variables, result: Variables, run: Run) -> bool:
    return _is_staged(result, run) and run.reboot_of(variables) == "ask"


def _reboots(variables: Variables, result: Variables, run: Run) -> bool:
    if not _is_staged(result, run):
        return False
    return run.reboot_of(variables) == "when_required" or (_asks(variables, result, run) and _consents(variables))


def _consents(variables: Variables) -> bool:
    answer = variables.get("__workstation_answer")
    text = answer.get("user_input") if isinstance(answer, t.Mapping) else None
    return str(text or "").strip().lower() == "yes"


def _is_staged(result: Variables, run: Run) -> bool:
    return not run.check_mode and _verdict.verdict(result) == _verdict.STAGED


def _removes_guests(variables: Variables, result: Variables, run: Run) -> bool:
    """Return whether guests are removed, which comes before everything else."""
    is_broken = _verdict.verdict(result) in _BROKEN
    return bool(_verdict.guests_of(result)) and not is_broken and run.state_of(variables) == ABSENT


def _defines_guests(variables: Variables, result: Variables, run: Run) -> bool:
    """Return whether the host is ready for its guests."""
    is_ready = _verdict.verdict(result, predicted=run.check_mode) in _READY
    return bool(_verdict.guests_of(result)) and is_ready and run.state_of(variables) != ABSENT


def _inspects_guests(variables: Variables, result: Variables, run: Run) -> bool:
    return _removes_guests(variables, result, run) or _defines_guests(variables, result, run)


def _has_pages(variables: Variables, _result: Variables, _run: Run) -> bool:
    """Return whether the data and the page of the host are written."""
    return bool(variables.get("report_dir"))


_BROKEN = (_verdict.UNREACHABLE, _verdict.REFUSED, _verdict.FAILED)
_READY = (_verdict.ACTIVE, _verdict.UNKNOWN)

PHASES: t.Mapping[str, t.Callable[[Variables, Variables, Run], bool]] = {
    "apply": _applies,
    "ask": _asks,
    "reboot": _reboots,
    "remove_guests": _removes_guests,
    "define_guests": _defines_guests,
    "guests": _inspects_guests,
    "pages": _has_pages,
}
