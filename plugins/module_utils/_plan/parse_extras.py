# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From variables to requests: who may use devices, how KVM is set, and kernel arguments of the person's own."""

from __future__ import annotations

import re
from typing import Any

from .._machine.cmdline import units
from .._machine.desired import AccessRequest, KvmRequest
from .boot.check_arguments import argument_clashes, argument_problem
from .input_reader import Variables
from .notation import size_text

_ACCESS = ("group", "memlock")
_MEMLOCK = ("users", "groups", "limit")
_KVM = ("nested", "ignore_msrs", "report_ignored_msrs", "interrupt_virtualization")
UNLIMITED = "unlimited"
#: Nothing that means something to the files that the names go to: udev(7) expands $ and %, and a quote ends a value
#: there; limits.conf(5) has @, % and * before a name, : in ranges of numbers, and # for comments.
_ACCOUNT = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", re.ASCII)
#: Below that, no guest could be given a device: all of its memory is locked.
_LEAST_LOCKED = 64 << 20


def read_access(found: Variables, raw: Any) -> AccessRequest | None:
    """Return who may use devices of guests."""
    values = found.mapping("access", raw, _ACCESS)
    if values is None:
        return None
    group = values.get("group")
    if group is not None:
        group = _account(found, "access.group", group, "group")
    memlock = found.mapping("access.memlock", values.get("memlock"), _MEMLOCK)
    if memlock is None:
        return AccessRequest(group)
    users = _accounts(found, "access.memlock.users", memlock.get("users"), "user")
    groups = _accounts(found, "access.memlock.groups", memlock.get("groups"), "group")
    limit = _limit(found, memlock.get("limit"))
    if memlock.get("limit") is not None and not (memlock.get("users") or memlock.get("groups")):
        expected = "users or groups beside it, whom the limit is for"
        found.say("access.memlock.limit", memlock["limit"], expected, "Name them, or leave out the limit.")
    return AccessRequest(group, users, groups, limit)


def _account(found: Variables, path: str, raw: Any, kind: str) -> str | None:
    if isinstance(raw, str) and _ACCOUNT.fullmatch(raw):
        return raw
    expected = f"the name of a {kind}: letters, digits, and _ . - @ between them"
    found.say(path, raw, expected, f"Write the name as `getent {'passwd' if kind == 'user' else 'group'}` shows it.")
    return None


def _accounts(found: Variables, path: str, raw: Any, kind: str) -> tuple[str, ...]:
    items = found.items(path, raw) or []
    names = [_account(found, where, item, kind) for where, item in items]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _limit(found: Variables, raw: Any) -> int | None:
    if raw is None or raw == UNLIMITED:
        return None
    limit = found.size("access.memlock.limit", raw)
    if limit is not None and (limit < _LEAST_LOCKED or limit % 1024):
        expected = f"{UNLIMITED}, or {size_text(_LEAST_LOCKED)} and more, in whole KiB"
        found.say("access.memlock.limit", raw, expected, "Name what the largest guest has, and 1 GiB more for QEMU.")
    return limit


def read_kvm(found: Variables, raw: Any) -> KvmRequest | None:
    """Return how KVM shall be set."""
    values = found.mapping("kvm", raw, _KVM)
    if values is None:
        return None
    return KvmRequest(**{name: found.boolean(f"kvm.{name}", values.get(name)) for name in _KVM})


def read_arguments(found: Variables, raw: Any) -> tuple[str, ...] | None:
    """Return the units of the person's own kernel arguments."""
    items = found.items("arguments", raw)
    if items is None:
        return None
    texts = []
    for path, item in items:
        if not isinstance(item, str):
            found.say(path, item, "an argument as text", "Put quotes around it.")
            continue
        problem = argument_problem(item)
        if problem is not None:
            found.say(path, item, problem.expected, problem.remedy)
            continue
        texts.append(item)
    for clash in argument_clashes(texts):
        found.say("arguments", list(texts), "arguments that can stand on one line", clash)
    return units(texts)
