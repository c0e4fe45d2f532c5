# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the sections for access, KVM and custom kernel arguments."""

from __future__ import annotations

import re
from typing import Any, Mapping

from .._machine.cmdline import units
from .._machine.desired import AccessRequest, KvmRequest
from .boot.check_arguments import argument_clashes, argument_problem
from .input_reader import InputReader
from .notation import size_text
from .request_spec import UNLIMITED

#: Names without characters that are special in the files they are written to: udev(7) expands $ and %, and a quote ends
#: a value there; limits.conf(5) has @, % and * before a name, : in ranges of numbers, and # for comments.
_ACCOUNT = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", re.ASCII)
#: A guest with a device has all of its memory locked, and could not start with less.
_LEAST_LOCKED = 64 << 20


def parse_access(reader: InputReader, values: Mapping[str, Any] | None) -> AccessRequest | None:
    """Return who may use the devices of guests without root."""
    if values is None:
        return None
    group = values["group"]
    if group is not None:
        group = _account(reader, "access.group", group, "group")
    memlock = values["memlock"]
    if memlock is None:
        return AccessRequest(group)
    limit = _limit(reader, memlock["limit"])
    if memlock["limit"] != UNLIMITED and not (memlock["users"] or memlock["groups"]):
        expected = "users or groups that the limit is for"
        reader.report("access.memlock.limit", memlock["limit"], expected, "Name them, or omit the limit.")
    return AccessRequest(
        group, _accounts(reader, memlock["users"], "user"), _accounts(reader, memlock["groups"], "group"), limit
    )


def _account(reader: InputReader, path: str, value: Any, kind: str) -> str | None:
    if isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return value
    expected = f"the name of a {kind}: letters, digits, and _ . - @ between them"
    reader.report(path, value, expected, f"Write it as `getent {'passwd' if kind == 'user' else 'group'}` prints it.")
    return None


def _accounts(reader: InputReader, items: Any, kind: str) -> tuple[str, ...]:
    names = [_account(reader, path, value, kind) for path, value in items]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _limit(reader: InputReader, value: Any) -> int | None:
    if value == UNLIMITED:
        return None
    limit = reader.size("access.memlock.limit", value)
    if limit is not None and (limit < _LEAST_LOCKED or limit % 1024):
        expected = f"{UNLIMITED}, or {size_text(_LEAST_LOCKED)} and more, in whole KiB"
        remedy = "Write the memory of the largest guest, and 1 GiB more for QEMU."
        reader.report("access.memlock.limit", value, expected, remedy)
    return limit


def parse_kvm(values: Mapping[str, Any] | None) -> KvmRequest | None:
    """Return the options of KVM."""
    return None if values is None else KvmRequest(**values)


def parse_arguments(reader: InputReader, items: Any) -> tuple[str, ...] | None:
    """Return the argument units of custom kernel arguments."""
    if items is None:
        return None
    texts = []
    for path, value in items:
        if value is None:
            continue
        if not isinstance(value, str):
            reader.report(path, value, "an argument as text", "Put it in quotes.")
            continue
        problem = argument_problem(value)
        if problem is not None:
            reader.report(path, value, problem.expected, problem.remedy)
            continue
        texts.append(value)
    for clash in argument_clashes(texts):
        reader.report("arguments", list(texts), "arguments that fit on one command line", clash)
    return units(texts)
