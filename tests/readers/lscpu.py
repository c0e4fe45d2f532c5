# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lscpu (util-linux)."""

from __future__ import annotations

import json
import os
import subprocess
from typing import NamedTuple


class LscpuRow(NamedTuple):
    """An online CPU. Cores, sockets and caches are lscpu's own numbers, which can only be compared with each other."""

    cpu: int
    core: str
    socket: str
    node: str  # "" if unknown
    l3: str  # "" if unknown


def _run(root: str, *options: str) -> subprocess.CompletedProcess[str]:
    sysroot = ["--sysroot", root] if root else []
    return subprocess.run(
        ["lscpu", *sysroot, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )


def read_lscpu(root: str = "") -> list[LscpuRow] | None:
    """Return the CPUs, or None for a tree in which lscpu lacks files that it requires (`possible`, /proc/cpuinfo)."""
    done = _run(root, "-p=CPU,CORE,SOCKET,NODE,CACHE")
    if done.returncode:
        return None
    caches = _cache_names(done.stdout)
    rows = []
    for line in done.stdout.splitlines():
        if line.startswith("#"):
            continue
        cpu, core, socket, node, *shared = line.split(",")
        groups = dict(zip(caches, shared, strict=False))  # lscpu omits missing caches at the end of a line
        rows.append(LscpuRow(int(cpu), core, socket, node, groups.get("L3", "")))
    return rows


def _cache_names(output: str) -> list[str]:
    """Return the names of the caches in the last heading: `# CPU,Core,Socket,Node,L1d,L1i,L2,L3`."""
    heading = [line for line in output.splitlines() if line.startswith("# CPU,")][-1]
    names = heading.removeprefix("# ").split(",")
    return names[4:]


def read_lscpu_summary(root: str = "") -> dict[str, str]:
    """Return the summary by field name, `CPU(s)`, `Vendor ID`."""
    fields: dict[str, str] = {}
    _collect(json.loads(_run(root, "-J").stdout)["lscpu"], fields)
    return fields


def _collect(entries: list[dict[str, object]], fields: dict[str, str]) -> None:
    for entry in entries:
        fields[str(entry["field"]).rstrip(":")] = str(entry["data"])
        children = entry.get("children")
        if isinstance(children, list):
            _collect(children, fields)
