# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hook of libvirt: a script that runs the command vfio-workstation when a guest of ours starts and ends.

libvirt runs the scripts in qemu.d since version 6.5, after /etc/libvirt/hooks/qemu if that exists (libvirt, hooks). It
looks for them when its daemon starts. A script must never call libvirt, which waits for it. If it fails at `prepare`,
libvirt does not start the guest; if it fails at `started` or `reconnect`, libvirt kills the guest: so only a refusal at
`prepare` is a failure. Guests without our mark cost the start of a shell.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._machine.initramfs import File
from ..._machine.plan import RECORD, Refusal, RemoveFile, Step, WriteFile
from ..file_steps import ExistingFile, foreign_files
from ..local_files import COMMAND_FILE
from ..own_files import head, is_ours
from .mark import NAMESPACE

HOOK_FILE = "/etc/libvirt/hooks/qemu.d/vfio-workstation"
_MODE = 0o755
#: The exit status of the command by which it refuses a start. All others are its own failures, which stop no guest.
REFUSED = 1


def hook_file() -> File:
    """Return the hook."""
    return File(HOOK_FILE, _SCRIPT, _MODE)


_SCRIPT = f"""\
#!/bin/sh
{head("checks whether a guest can start, and reserves CPUs while it runs.")}\
# Called by libvirt: $1 is the guest, $2 the operation, $3 its phase; the domain is on standard input.
case "$2/$3" in
    prepare/begin | started/begin | reconnect/begin | release/end) ;;
    *) exit 0 ;;
esac
domain=$(cat)
case "$domain" in *'{NAMESPACE}'*) ;; *) exit 0 ;; esac
[ -x {COMMAND_FILE} ] || exit 0
status=0
# By env: the AppArmor profile of libvirtd denies programs below /usr/local, and leaves those of /usr/bin unconfined.
printf '%s\\n' "$domain" | /usr/bin/env {COMMAND_FILE} guest-hook --operation "$2" || status=$?
[ "$2/$status" != prepare/{REFUSED} ]
exit
"""


class HookPlan(NamedTuple):
    """The steps for the hook."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()  # for the user
    before: str = ""  # the content of the file
    after: str = ""


def plan_hook(existing: ExistingFile | None) -> HookPlan:
    """Return the step that writes the hook, unless it is there; a foreign file in its place is refused.

    Args:
        existing: The file in its place; None where there is none.
    """
    file = hook_file()
    refusals = tuple(foreign_files([file], {} if existing is None else {file.path: existing}))
    if refusals or existing == ExistingFile(file.content, file.mode):
        return HookPlan(refusals=refusals)
    step = WriteFile(file.path, file.content, RECORD, "write the hook of libvirt", file.mode)
    if existing is None:
        return HookPlan((step,), (), (_RESTART,), "", file.content)
    return HookPlan((step,), (), (), existing.content, file.content)


_RESTART = (
    "libvirt looks for hooks when its daemon starts: restart it once (systemctl restart libvirtd, or virtqemud); "
    "guests keep running"
)


def plan_hook_removal(existing: ExistingFile) -> HookPlan:
    """Return the step that removes the hook; a foreign file stays."""
    if not is_ours(existing.content):
        return HookPlan()
    step = RemoveFile(HOOK_FILE, RECORD, "no guest of this collection is left: remove the hook of libvirt")
    return HookPlan((step,), before=existing.content)
