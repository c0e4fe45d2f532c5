# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files by which people who are not root may use devices of guests, and lock the memory of guests.

Who starts guests through libvirt's system daemon (qemu:///system) needs neither: it runs as root, gives each guest's
process its device nodes, and raises that process's limit itself. They are for QEMU that a user starts, and for
qemu:///session.
"""

from __future__ import annotations

import re
from typing import Iterator

from .._machine.desired import AccessRequest
from .._machine.initramfs import File
from .._machine.plan import Refusal
from .own_files import head
from .refusals import refuse

#: After 50-udev-default.rules of systemd, and before 73-seat-late.rules, which grants what was tagged.
ACCESS_RULE_FILE = "/etc/udev/rules.d/70-vfio-workstation-access.rules"
#: pam_limits(8) reads *.conf of that folder after limits.conf, in the order of the C locale.
MEMLOCK_FILE = "/etc/security/limits.d/vfio-workstation.conf"
ACCESS_FILES = (ACCESS_RULE_FILE, MEMLOCK_FILE)
#: Run in that order after the rule was written: nodes that are there already get their group too. One that has it keeps
#: it when the rule is gone, until its device is bound anew: udev changes back nothing of which no rule speaks.
ACCESS_TOOLS = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--action=change", "--subsystem-match=vfio", "--subsystem-match=vfio-dev"),
    ("udevadm", "trigger", "--action=change", "--subsystem-match=misc", "--sysname-match=iommu"),
)
#: SYSTEMD_SYSTEM_GID_MAX, where distributions don't build systemd with another.
_LAST_SYSTEM_GID = 999
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", re.ASCII)

# Documentation/driver-api/vfio.rst: /dev/vfio/$GROUP; /dev/vfio/devices/vfioX where the kernel has
# CONFIG_VFIO_DEVICE_CDEV (class vfio-dev, drivers/vfio/vfio_main.c), which goes with /dev/iommu (a misc device,
# drivers/iommu/iommufd/main.c). /dev/vfio/vfio, "which provides no capabilities on its own", is open to all as it is:
# the kernel and systemd's 50-udev-default.rules see to that.
_NODES = ('SUBSYSTEM=="vfio"', 'SUBSYSTEM=="vfio-dev"', 'SUBSYSTEM=="misc", KERNEL=="iommu"')


def access_files(request: AccessRequest) -> tuple[File, ...]:
    """Return the files that shall be there; those of ACCESS_FILES that are not among them shall not.

    Args:
        request: Who may do what.

    Raises:
        ValueError: A name has characters that mean something to these files; `parse_desired` lets none through.
    """
    for name in (
        *([request.group] if request.group is not None else []),
        *request.memlock_users,
        *request.memlock_groups,
    ):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a user or group: letters, digits, and _ . - @ between them")
    files = []
    if request.group is not None:
        rules = [f'{node}, GROUP="{request.group}", MODE="0660"\n' for node in _NODES]
        files.append(File(ACCESS_RULE_FILE, head("devices of guests are open to a group.") + "".join(rules), 0o644))
    whom = (*request.memlock_users, *(f"@{name}" for name in request.memlock_groups))
    if whom:
        # limits.conf(5): memlock is in KiB; `-` is the soft and the hard limit.
        limit = "unlimited" if request.memlock_bytes is None else str(request.memlock_bytes // 1024)
        lines = [f"{name} - memlock {limit}\n" for name in whom]
        subject = "VFIO locks all memory of a guest that has a device."
        files.append(File(MEMLOCK_FILE, head(subject) + "".join(lines), 0o644))
    return tuple(files)


def access_refusals(request: AccessRequest, group_text: str | None) -> Iterator[Refusal]:
    """Yield why udev would leave the rule out.

    Args:
        request: Who may do what.
        group_text: The content of /etc/group; None where it could not be read, which is no ground to refuse.
    """
    if request.group is None or group_text is None:
        return
    if request.group not in _ids(group_text):
        seen = f"The group {request.group} shall open the devices of guests, and is not in /etc/group"
        yield refuse("group_unknown", seen)


def access_notes(request: AccessRequest, group_text: str | None, passwd_text: str | None) -> Iterator[str]:
    """Yield what a person should know.

    Args:
        request: Who may do what.
        group_text: The content of /etc/group, where it could be read.
        passwd_text: The content of /etc/passwd, where it could be read.
    """
    groups, users = _ids(group_text or ""), _ids(passwd_text or "")
    number = groups.get(request.group or "")
    if number is not None and number > _LAST_SYSTEM_GID:
        yield (
            f"The group {request.group} has the number {number}, and is no system group (up to {_LAST_SYSTEM_GID}): "
            "udev of systemd 258 and 259 leaves its rule out, later ones complain. `groupadd --system NAME` makes one"
        )
    for kind, names, known, text in (
        ("user", request.memlock_users, users, passwd_text),
        ("group", request.memlock_groups, groups, group_text),
    ):
        unknown = [name for name in names if name not in known]
        if text is not None and unknown:
            where = "/etc/passwd" if kind == "user" else "/etc/group"
            yield f"{', '.join(unknown)} shall lock memory, and is no {kind} in {where}: the limit waits for the name"
    if request.memlock_users or request.memlock_groups:
        yield (
            "Limits of locked memory are for sessions that begin from now on. Services have LimitMEMLOCK= in their "
            "unit instead (systemd.exec(5)), and libvirt's system daemon raises the limit of its guests itself"
        )


def _ids(text: str) -> dict[str, int | None]:
    """Return the numbers by name, of a text as passwd(5) and group(5) describe it."""
    found = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0]:
            number = fields[2]
            found[fields[0]] = int(number) if number.isascii() and number.isdigit() and len(number) < 11 else None
    return found
