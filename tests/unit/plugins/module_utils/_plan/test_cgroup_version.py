# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note on cgroup v1, from command lines and mounts."""

from __future__ import annotations

import pytest

from ansible_collections.vfio.workstation.plugins.module_utils._machine.host_plan import CpuPlan
from ansible_collections.vfio.workstation.plugins.module_utils._plan.cgroup_version import cgroup_notes
from ansible_collections.vfio.workstation.tests.machines.values import machine

V1 = "systemd.unified_cgroup_hierarchy=0"
FORCED_V1 = f"{V1} SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
UNIFIED = "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n"
HYBRID = (
    "tmpfs /sys/fs/cgroup tmpfs ro,mode=755 0 0\n"
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n"
    "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
)


def plan(guests: tuple[int, ...] = (2, 3), mode: str = "dynamic") -> CpuPlan:
    return CpuPlan(guests, (0, 1), (), mode, "because")


@pytest.mark.parametrize(
    ("running", "entries", "mounts", "words"),
    [
        ("ro quiet", ["ro quiet"], UNIFIED, None),
        ("ro quiet", [], None, None),
        # A command line alone, as of a captured machine: the running one, or that of every entry.
        (f"ro {V1} quiet", [], None, ["running kernel", f"Remove {V1},"]),
        (f"ro {FORCED_V1}", [], None, ["running kernel", f"Remove {FORCED_V1},"]),
        ("ro", [f"ro {V1}", f"ro {FORCED_V1}"], None, ["every boot entry", f"Remove {V1},"]),
        ("ro", [f"ro {V1}", "ro"], None, None),
        ("ro", [f"ro {V1}"], UNIFIED, ["every boot entry", V1]),
        # /proc/mounts has what is in effect.
        ("ro", ["ro"], HYBRID, ["no cgroup2 is mounted on /sys/fs/cgroup", "Boot with"]),
        ("ro", ["ro"], "", ["no cgroup2 is mounted on /sys/fs/cgroup"]),
        (f"ro {V1}", ["ro"], HYBRID, ["running kernel", V1]),
        (f"ro {V1}", [f"ro {V1}"], UNIFIED, None),  # systemd 258 and later ignore the argument
        # The last occurrence takes effect; a dash equals an underscore.
        (f"ro {V1} systemd.unified_cgroup_hierarchy=1", [], None, None),
        ("ro systemd.unified_cgroup_hierarchy", [], None, None),
        ("ro systemd.unified-cgroup-hierarchy=off", [], None, ["systemd.unified-cgroup-hierarchy=off"]),
        ("ro systemd.unified_cgroup_hierarchy=No", [], None, ["running kernel"]),
        ("ro SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", [], None, None),
    ],
)
def test_cgroup_v1_is_reported(running: str, entries: list[str], mounts: str | None, words: list[str] | None) -> None:
    host = machine(cmdline=running)
    kernels = tuple(host.boot.kernels[0]._replace(cmdline=cmdline) for cmdline in entries)
    host = host._replace(boot=host.boot._replace(kernels=kernels))
    notes = list(cgroup_notes(plan(), host, mounts))
    assert len(notes) == (words is not None)
    assert all(word in note for note in notes for word in ("CPUs 2-3", "AllowedCPUs=", "mode: boot", *(words or [])))


def test_cgroup_v1_is_only_reported_for_dynamic_isolation() -> None:
    host = machine(cmdline=f"ro {V1}")
    assert list(cgroup_notes(plan(), host, HYBRID))
    assert list(cgroup_notes(plan(mode="boot"), host, HYBRID)) == []
    assert list(cgroup_notes(plan(()), host, HYBRID)) == []
