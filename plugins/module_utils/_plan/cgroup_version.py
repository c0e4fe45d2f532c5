# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether systemd uses cgroup v2, which dynamic CPU isolation needs to keep the host's processes off CPUs."""

from __future__ import annotations

from typing import Iterator

from .._machine import Machine
from .._machine.cmdline import parse
from .._machine.desired import DYNAMIC
from .._machine.host_plan import CpuPlan
from .notation import numbers_text

_CGROUPS = "/sys/fs/cgroup"
#: Selects the cgroup version for systemd up to 257; later ones ignore it. From 256 on, version 1 needs the second too.
_UNIFIED, _LEGACY = "systemd.unified_cgroup_hierarchy", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE"
_FALSE = ("0", "no", "n", "false", "f", "off")  # parse_boolean() of systemd, in any case


def cgroup_notes(plan: CpuPlan, machine: Machine, mounts_text: str | None) -> Iterator[str]:
    """Yield a note if the host's processes can't be kept off the guests' CPUs, as systemd uses cgroup v1.

    systemd sets AllowedCPUs= with the cpuset controller of cgroup v2 only, mounted on /sys/fs/cgroup; in a hybrid
    hierarchy that controller belongs to v1.

    Args:
        plan: The CPUs.
        machine: The machine, with the command lines of the running kernel and of its boot entries.
        mounts_text: The content of /proc/mounts; None if it could not be read.
    """
    if plan.mode != DYNAMIC or not plan.guests or not plan.host:
        return
    running = _cgroup_v1_arguments(machine.boot.running.cmdline or "")
    entries = [_cgroup_v1_arguments(kernel.cmdline) for kernel in machine.boot.kernels if kernel.cmdline is not None]
    of_entries = entries[0] if entries and all(entries) else ""
    has_v2 = None if mounts_text is None else _mounts_cgroup2(mounts_text)
    if has_v2 and running:
        return  # the running systemd ignores the argument
    if running and not has_v2:
        cause, remedy = f"the running kernel was started with {running}", f"Remove {running}"
    elif of_entries:
        cause, remedy = f"every boot entry has {of_entries}", f"Remove {of_entries}"
    elif has_v2 is False:
        cause, remedy = f"no cgroup2 is mounted on {_CGROUPS}", f"Boot with {_UNIFIED}=1"
    else:
        return
    yield (
        f"The host's processes may still run on CPUs {numbers_text(plan.guests)} while they are isolated: {cause}, and "
        f"AllowedCPUs= needs cgroup v2 (systemd.resource-control(5)). {remedy}, or use mode: boot"
    )


def _cgroup_v1_arguments(cmdline_text: str) -> str:
    """Return the arguments of a command line that select cgroup v1; "" if none does."""
    arguments = [argument for argument in parse(cmdline_text).arguments if argument.name in (_UNIFIED, _LEGACY)]
    values = [argument.value for argument in arguments if argument.name == _UNIFIED]
    # The last occurrence takes effect; without a value it is true.
    if not values or (values[-1] or "").lower() not in _FALSE:
        return ""
    return " ".join(dict.fromkeys(argument.text for argument in arguments))


def _mounts_cgroup2(mounts_text: str) -> bool:
    mounts = [line.split() for line in mounts_text.splitlines()]
    return any(fields[1:3] == [_CGROUPS, "cgroup2"] for fields in mounts)
