# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guests of a host: the entries of workstation_guests, their mistakes, and what became of each. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.guest_spec import GUEST
from ansible_collections.vfio.workstation.plugins.module_utils._plan.guest.parse_guest import parse_guest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.nearest import nearest
from ansible_collections.vfio.workstation.plugins.module_utils._plan.request_spec import ABSENT

Values = t.Mapping[str, t.Any]

VARIABLE = "workstation_guests"
#: Options that matter for a guest that is removed.
_IDENTITY = ("name", "uri")
#: Return values of the module guest that a row keeps. Its definition would be large in every registered variable.
_KEPT = (
    "uuid",
    "devices",
    "vcpus",
    "memory_bytes",
    "running",
    "restart_required",
    "works",
    "findings",
    "notes",
    "refusals",
    "msg",
)


def guest_options(entry: Values, state: str) -> dict[str, t.Any]:
    """Return the options of the module guest for an entry.

    Args:
        entry: The entry.
        state: The requested state of the host. If it is absent, only the identity of the guest matters.
    """
    if state != ABSENT:
        return dict(entry)
    return {"state": ABSENT, **{name: entry[name] for name in _IDENTITY if name in entry}}


def guest_mistakes(guests: t.Any, state: str, devices: t.Any = None, variable: str = VARIABLE) -> list[str]:
    """Return the mistakes in all entries, named as the user wrote them.

    Args:
        guests: The value of the variable. None and an empty list are no guests.
        state: The requested state of the host.
        devices: The value of workstation_devices. A name that it lacks is a mistake if it is a list.
        variable: The name of the variable, for mistakes.
    """
    if guests is None:
        return []
    if not isinstance(guests, (list, tuple)):
        return [f"{variable}: found {type(guests).__name__}, expected a list of guests. Put a dash before each guest."]
    mistakes = [
        mistake
        for index, entry in enumerate(guests)
        for mistake in _entry_mistakes(f"{variable}[{index}]", entry, state, _device_names(devices))
    ]
    return [*mistakes, *_repeated(guests, variable)]


def _entry_mistakes(path: str, entry: t.Any, state: str, devices: t.Sequence[str] | None) -> list[str]:
    if not isinstance(entry, t.Mapping):
        return [f"{path}: found {type(entry).__name__}, expected a mapping of {', '.join(GUEST)}."]
    names = {str(key): f"{path}.{key}" for key in (*GUEST, *entry)}
    parsed = parse_guest(guest_options(entry, state), names)
    if isinstance(parsed, list):
        return parsed
    if parsed.absent or devices is None:
        return []
    unknown = [(index, name) for index, name in enumerate(parsed.request.devices) if name not in devices]
    return [f"{path}.devices[{index}]: {_unknown_device(name, devices)}" for index, name in unknown]


def _unknown_device(name: str, devices: t.Sequence[str]) -> str:
    meant = nearest(name, devices)
    remedy = f"Did you mean {meant}?" if meant else "Add the device to workstation_devices, or correct the name."
    return f"found {name!r}, expected a name from workstation_devices: {', '.join(devices) or 'it has none'}. {remedy}"


def _device_names(devices: t.Any) -> list[str] | None:
    """Return the names in workstation_devices; None if it leaves the devices unmanaged, or is mistaken itself."""
    if not isinstance(devices, (list, tuple)):
        return None
    names = [device.get("name") if isinstance(device, t.Mapping) else None for device in devices]
    return [str(name) for name in names] if all(names) else None


def _repeated(guests: t.Sequence[t.Any], variable: str) -> t.Iterator[str]:
    first: dict[str, int] = {}
    for index, entry in enumerate(guests):
        name = str(entry.get("name")) if isinstance(entry, t.Mapping) and entry.get("name") else None
        if name in first:
            yield (
                f"{variable}[{index}].name: found {name!r}, expected another name than {variable}[{first[name]}].name. "
                "Rename or remove one of the two."
            )
        elif name is not None:
            first[name] = index


def waiting_rows(guests: t.Iterable[Values], host: Values, state: str) -> list[dict[str, t.Any]]:
    """Return a row for each guest that no run has looked at yet.

    Args:
        guests: The entries.
        host: What the module host returned.
        state: The requested state of the host.
    """
    # Not "after the reboot" for a plan: whether a reboot is required is known when it is applied.
    now = "after the reboot" if host.get("reboot_required") else "after the host is configured"
    if host.get("unreadable"):
        now = "unknown without root"
    return [{**_row(entry, state), "now": now} for entry in guests]


def guest_row(entry: Values, state: str, answer: Values, check_mode: bool) -> dict[str, t.Any]:
    """Return the row of a guest, with the keys of a request of the module host.

    Args:
        entry: The entry.
        state: The requested state of the host.
        answer: What the module guest returned.
        check_mode: Whether it ran in check mode.
    """
    failed = bool(answer.get("failed") or answer.get("unreachable"))
    due = check_mode and bool(answer.get("changed")) and not failed
    row = {**_row(entry, state), **{key: answer[key] for key in _KEPT if key in answer}}
    as_requested = not failed and not due
    row.update(
        failed=failed,
        due=due,
        configured=as_requested,
        staged=as_requested,
        active=as_requested and not answer.get("restart_required") and not answer.get("findings"),
        now=_now(_is_absent(entry, state), answer, failed, due),
    )
    return row


def _row(entry: Values, state: str) -> dict[str, t.Any]:
    return {
        "section": "guest",
        "name": str(entry.get("name")),
        "requested": _requested(entry, state),
        "configured": None,
        "staged": None,
        "active": None,
        "failed": False,
        "due": False,
    }


def _requested(entry: Values, state: str) -> str:
    if _is_absent(entry, state):
        return "removed"
    devices = entry.get("devices")
    names = ", ".join(map(str, devices)) if isinstance(devices, (list, tuple)) else str(devices or "")
    return f"{entry.get('os')} with {names}" if names else str(entry.get("os"))


def _is_absent(entry: Values, state: str) -> bool:
    return ABSENT in (state, entry.get("state"))


def _now(absent: bool, answer: Values, failed: bool, due: bool) -> str:
    if failed:
        codes = dict.fromkeys(str(refusal.get("code")) for refusal in answer.get("refusals") or ())
        return f"refused: {', '.join(codes)}" if codes else "failed"
    exists = bool(answer.get("uuid"))
    if absent:
        return _now_absent(exists, bool(answer.get("changed")), due)
    if due:
        return "its definition differs" if exists else "not defined"
    if answer.get("restart_required"):
        return "defined; takes effect after a restart of the guest"
    return "; ".join(["defined; running", *_now_inside(answer)]) if answer.get("running") else "defined; off"


def _now_inside(answer: Values) -> t.Iterator[str]:
    """Yield what a look into the running guest found, in the user's words."""
    works = answer.get("works") or {}
    for state, verbs in ((True, ("works", "work")), (False, ("does not work", "do not work"))):
        names = sorted(name for name in works if bool(works[name]) is state)
        if names:
            yield f"{', '.join(names)} {verbs[len(names) > 1]} in the guest"
    if answer.get("findings") and all(works.values()):
        yield "not as planned"


def _now_absent(exists: bool, changed: bool, due: bool) -> str:
    if due:
        return "defined"
    if not exists:
        return "not defined"
    return "returned as it was" if changed else "not managed"
