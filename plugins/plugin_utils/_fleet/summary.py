# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the fleet page says about one host. It is part of the JSON file of the host."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._machine import Machine
from ansible_collections.vfio.workstation.plugins.module_utils._machine.plan import Refusal
from ansible_collections.vfio.workstation.plugins.module_utils._plan.refusal_text import causes
from ansible_collections.vfio.workstation.plugins.module_utils._text import tables
from ansible_collections.vfio.workstation.plugins.module_utils._text import verdict as _verdict
from ansible_collections.vfio.workstation.plugins.module_utils._text.passthrough import gpus

Json = t.Dict[str, t.Any]

#: Hosts that no playbook with a request has inspected.
REPORTED = "reported"


class Gpu(t.NamedTuple):
    """A GPU of a host."""

    address: str
    model: str
    free: bool  # whether it can be passed through
    why: str  # why not; empty if it can


class Request(t.NamedTuple):
    """A request, and its states."""

    title: str
    requested: str
    now: str
    configured: bool | None
    staged: bool | None
    active: bool | None


class Problem(t.NamedTuple):
    """Why a host is not as requested."""

    codes: tuple[str, ...]  # of refusals; a verdict where there is none
    seen: str
    danger: str
    remedy: str


class Summary(t.NamedTuple):
    """What the fleet page says about a host."""

    system: str  # the distribution
    kernel: str  # the running one; empty if unknown
    gpus: tuple[Gpu, ...]
    word: str  # the verdict, or `REPORTED`
    sentence: str  # the verdict in words
    requests: tuple[Request, ...]
    problems: tuple[Problem, ...]


NOTHING = Summary("", "", (), REPORTED, "no playbook with a request has inspected it", (), ())


def machine_summary(machine: Machine) -> Summary:
    """Return what the fleet page says about the hardware and the software of a host."""
    system = " ".join(filter(None, (machine.os.id, machine.os.version_id)))
    return NOTHING._replace(
        system=system,
        kernel=machine.boot.running.version or "",
        gpus=tuple(
            Gpu(gpu.address, model(machine, gpu.address), not gpu.codes, "; ".join(gpu.causes)) for gpu in gpus(machine)
        ),
    )


def model(machine: Machine, address: str) -> str:
    """Return the name of a PCI function, or its ids."""
    function = machine.pci[address]
    return function.device_name or f"{function.vendor or '????'}:{function.device or '????'}"


def result_summary(result: t.Mapping[str, t.Any], predicted: bool, state: str) -> Summary:
    """Return what the fleet page says about the configuration of a host.

    Args:
        result: What the module host returned, or what Ansible returned in its place.
        predicted: Whether the module ran in check mode, so that its steps were not executed.
        state: The requested state, `present` or `absent`.
    """
    word = _verdict.verdict(result, predicted)
    rows = [*_verdict.requests_of(result), *_verdict.guests_of(result)]
    return NOTHING._replace(
        word=word,
        sentence=tables.sentence(word, state),
        requests=tuple(_request(row) for row in rows),
        problems=tuple(_problems(word, result, predicted)),
    )


def _request(row: t.Mapping[str, t.Any]) -> Request:
    title = " ".join(dict.fromkeys(str(row[key]) for key in ("section", "name") if row.get(key)))
    states = (row.get(key) for key in ("configured", "staged", "active"))
    return Request(
        title,
        str(row.get("requested") or ""),
        str(row.get("now") or ""),
        *(state if isinstance(state, bool) else None for state in states),
    )


def _problems(word: str, result: t.Mapping[str, t.Any], predicted: bool) -> t.Iterator[Problem]:
    refusals = [*_refusals(result.get("refusals")), *_refusals(result.get("findings"))]
    for guest in _verdict.guests_of(result):
        refusals += _refusals(guest.get("refusals"))
    for refusal in causes(refusals):
        explained = [other.code for other in refusals if other.because == refusal.code]
        yield Problem(tuple(dict.fromkeys((refusal.code, *explained))), refusal.seen, refusal.danger, refusal.remedy)
    reason = tables.failure_text(result, predicted)
    if not refusals and reason:
        yield Problem((word,), reason, "", "")


def _refusals(values: t.Any) -> list[Refusal]:
    items = values if isinstance(values, (list, tuple)) else ()
    return [_refusal(item) for item in items if isinstance(item, t.Mapping)]


def _refusal(item: t.Mapping[str, t.Any]) -> Refusal:
    code, seen, danger, remedy = (str(item.get(key) or "") for key in ("code", "seen", "danger", "remedy"))
    because = item.get("because")
    return Refusal(code, seen, danger, remedy, None if because is None else str(because))
