# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that let users other than root open the device nodes of VFIO, and lock the memory of guests.

Guests of libvirt's system daemon (qemu:///system) need neither: it runs as root, gives each QEMU process its device
nodes, and raises the process's limit itself. The files are for QEMU started by a user, and for qemu:///session.
"""

from __future__ import annotations

import re
from typing import Iterator

from .._machine.desired import AccessRequest
from .._machine.initramfs import File
from .._machine.plan import Refusal
from .own_files import head
from .refusals import refuse
from .udev_rule import RELOAD_RULES

#: Sorts after systemd's 50-udev-default.rules, and before 73-seat-late.rules, which applies the uaccess tag.
ACCESS_RULE_FILE = "/etc/udev/rules.d/70-vfio-workstation-access.rules"
#: pam_limits(8) reads the *.conf files of that folder after limits.conf, in the order of the C locale.
MEMLOCK_FILE = "/etc/security/limits.d/vfio-workstation.conf"
ACCESS_FILES = (ACCESS_RULE_FILE, MEMLOCK_FILE)
#: Run in this order after the rule was written, so that existing device nodes get the group too. When the rule is
#: removed, a node keeps the group until its device is bound again: udev does not revert what no rule mentions.
ACCESS_TOOLS = (
    RELOAD_RULES,
    ("udevadm", "trigger", "--action=change", "--subsystem-match=vfio", "--subsystem-match=vfio-dev"),
    ("udevadm", "trigger", "--action=change", "--subsystem-match=misc", "--sysname-match=iommu"),
)
#: systemd's default for the highest GID of a system group (build option system-gid-max).
_LAST_SYSTEM_GID = 999
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", re.ASCII)

# Documentation/driver-api/vfio.rst: /dev/vfio/$GROUP; with CONFIG_VFIO_DEVICE_CDEV also /dev/vfio/devices/vfioX (class
# vfio-dev, drivers/vfio/vfio_main.c) and /dev/iommu (a misc device, drivers/iommu/iommufd/main.c). /dev/vfio/vfio,
# "which provides no capabilities on its own", needs no rule: the kernel and 50-udev-default.rules open it to everybody.
_NODES = ('SUBSYSTEM=="vfio"', 'SUBSYSTEM=="vfio-dev"', 'SUBSYSTEM=="misc", KERNEL=="iommu"')


def access_files(request: AccessRequest) -> tuple[File, ...]:
    """Return the files that the request needs; any other file of ACCESS_FILES must not exist.

    Args:
        request: The request.

    Raises:
        ValueError: A name has characters with a special meaning in these files; `parse_desired` accepts none of them.
    """
    _check_names(request)
    files = []
    if request.group is not None:
        rules = [f'{node}, GROUP="{request.group}", MODE="0660"\n' for node in _NODES]
        files.append(
            File(ACCESS_RULE_FILE, head("lets a group open the device nodes of VFIO.") + "".join(rules), 0o644)
        )
    if request.memlock_users or request.memlock_groups:
        files.append(_memlock_file(request))
    return tuple(files)


def _memlock_file(request: AccessRequest) -> File:
    # limits.conf(5): memlock is in KiB; `-` sets both the soft and the hard limit.
    limit = "unlimited" if request.memlock_bytes is None else str(request.memlock_bytes // 1024)
    domains = (*request.memlock_users, *(f"@{name}" for name in request.memlock_groups))
    lines = [f"{name} - memlock {limit}\n" for name in domains]
    subject = "limits of locked memory. VFIO locks all memory of a guest that has a device."
    return File(MEMLOCK_FILE, head(subject) + "".join(lines), 0o644)


def _check_names(request: AccessRequest) -> None:
    group = () if request.group is None else (request.group,)
    for name in (*group, *request.memlock_users, *request.memlock_groups):
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a valid user or group name: use letters, digits and _, and . - @ after the first"
            )


def access_refusals(request: AccessRequest, group_text: str | None) -> Iterator[Refusal]:
    """Yield a refusal if udev would ignore the rule, as the group does not exist.

    Args:
        request: The request.
        group_text: The content of /etc/group; None if it could not be read, which is not refused.
    """
    if request.group is None or group_text is None:
        return
    if request.group not in _ids(group_text):
        seen = f"The group {request.group} was requested for guests' devices, but is not in /etc/group"
        yield refuse("group_unknown", seen)


def access_notes(request: AccessRequest, group_text: str | None, passwd_text: str | None) -> Iterator[str]:
    """Yield notes for the user.

    Args:
        request: The request.
        group_text: The content of /etc/group; None if it could not be read.
        passwd_text: The content of /etc/passwd; None if it could not be read.
    """
    gid = _ids(group_text or "").get(request.group or "")
    if gid is not None and gid > _LAST_SYSTEM_GID:
        yield (
            f"The group {request.group} has GID {gid} and is not a system group (GID up to {_LAST_SYSTEM_GID}): udev "
            "of systemd 258 and 259 ignores its rule, and later versions log a warning. Create a system group with "
            "`groupadd --system NAME`"
        )
    if request.memlock_users or request.memlock_groups:
        yield from _memlock_notes(request, group_text, passwd_text)


def _memlock_notes(request: AccessRequest, group_text: str | None, passwd_text: str | None) -> Iterator[str]:
    for kind, names, path, text in (
        ("user", request.memlock_users, "/etc/passwd", passwd_text),
        ("group", request.memlock_groups, "/etc/group", group_text),
    ):
        known = _ids(text or "")
        unknown = [name for name in names if name not in known]
        if text is not None and unknown:
            yield f"No {kind} {', '.join(unknown)} is in {path}: the limit of locked memory applies once it exists"
    yield (
        "Limits of locked memory apply to sessions that start from now on. A service needs LimitMEMLOCK= in its unit "
        "instead (systemd.exec(5)), and libvirt's system daemon raises the limit of its guests itself"
    )


def _ids(text: str) -> dict[str, int | None]:
    """Return the numeric ids by name in the text of passwd(5) or group(5); None for one that is not a number."""
    ids = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0]:
            number = fields[2]
            ids[fields[0]] = int(number) if number.isascii() and number.isdigit() and len(number) < 11 else None
    return ids
