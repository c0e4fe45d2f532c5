# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a running guest on the host: where its vCPUs may run, and the pages of its memory."""

from __future__ import annotations

import re
from typing import Iterator

from ..._machine.guest_inside import GuestProcess
from ..parse import cpu_list
from ..tree import FILE_LIMIT, Tree

#: libvirt, src/conf/virpidfile: of the system's daemon.
_PID_FILE = "/run/libvirt/qemu/{name}.pid"
_ALLOWED = re.compile(r"^Cpus_allowed_list:\s*(\S+)", re.MULTILINE)
#: QEMU names the threads of vCPUs so (docs: -name debug-threads=on, which libvirt sets).
_VCPU = re.compile(r"CPU (\d{1,5})/")
#: Documentation/filesystems/proc.rst: pages of a mapping by node, and their size.
_PAGES, _PAGE_SIZE = re.compile(r" N\d+=(\d+)"), re.compile(r" kernelpagesize_kB=(\d+)")


def read_process(tree: Tree, name: str) -> GuestProcess | None:
    """Return what the host shows of a guest's process; None where it has none that is known."""
    pid = (tree.text(_PID_FILE.format(name=name)) or "").strip()
    if not (pid.isascii() and pid.isdigit()):
        return None
    return GuestProcess(dict(_vcpus(tree, pid)), _page_bytes(tree.text(f"/proc/{pid}/numa_maps", FILE_LIMIT) or ""))


def _vcpus(tree: Tree, pid: str) -> Iterator[tuple[int, tuple[int, ...]]]:
    for thread in tree.names(f"/proc/{pid}/task"):
        folder = f"/proc/{pid}/task/{thread}"
        vcpu = _VCPU.match(tree.text(f"{folder}/comm") or "")
        allowed = _ALLOWED.search(tree.text(f"{folder}/status") or "")
        cpus = cpu_list(allowed[1]) if allowed is not None else None
        if vcpu is not None and cpus is not None:
            yield int(vcpu[1]), cpus


def _page_bytes(maps: str) -> int | None:
    """Return the page size of the mapping that has the most memory."""
    most, page_bytes = 0, None
    for line in maps.splitlines():
        size = _PAGE_SIZE.search(line)
        if size is None:
            continue
        bytes_of_page = int(size[1]) << 10
        total = sum(map(int, _PAGES.findall(line))) * bytes_of_page
        if total > most:
            most, page_bytes = total, bytes_of_page
    return page_bytes
