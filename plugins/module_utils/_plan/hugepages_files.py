# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that allocate huge pages at each boot and mount hugetlbfs for each page size, and a check of the result.

systemd-tmpfiles-setup.service writes the counts: before sysinit.target, and thus before any service, when memory is
not fragmented yet. (systemd-tmpfiles-setup-dev.service and -dev-early.service only handle /dev.) The kernel allocates
as many of the pages as it finds memory for, and kills no process for them (hugetlbpage.rst, nr_hugepages).

QEMU's memory-backend-memfd needs no mount, but memory-backend-file and libvirt do: when libvirt's daemon starts, it
searches /proc/mounts for one of the right page size, unless hugetlbfs_mount in qemu.conf is set. systemd's
dev-hugepages.mount is for the default size only. Other sizes get a mount unit of our own, at the mount point of the
example in qemu.conf. A drop-in of sysinit.target starts it: a plain file, where `systemctl enable` would make links.
"""

from __future__ import annotations

import re
from typing import Collection, Iterable, Iterator

from .._machine import Machine
from .._machine.host_plan import HugePagesPlan, RuntimePages
from .._machine.initramfs import File
from .notation import page_size_text, size_text
from .own_files import head

#: Read by systemd-tmpfiles (tmpfiles.d(5)).
TMPFILES_FILE = "/etc/tmpfiles.d/vfio-workstation-hugepages.conf"
#: Makes systemd start our mount units at boot.
WANTS_FILE = "/etc/systemd/system/sysinit.target.d/vfio-workstation-hugepages.conf"
#: Makes systemd read unit files that were written or removed.
RELOAD_TOOL = ("systemctl", "daemon-reload")

#: All page sizes of the kernel on any architecture: arm64 with pages of 4, 16 and 64 kB, x86, POWER, RISC-V.
HUGE_PAGE_SIZES_KB = (64, 1024, 2048, 16384, 32768, 524288, 1048576, 2097152, 16777216)

_UNITS = "/etc/systemd/system"
_LINE = re.compile(r"^w!? (/sys/\S+/nr_hugepages) - - - - ([0-9]{1,9})$", re.MULTILINE | re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12})([KMGT]?)", re.ASCII)


def hugepages_files(
    plan: HugePagesPlan, mounts_text: str | None = None, own_mounts: Collection[int] = ()
) -> tuple[File, ...]:
    """Return the files that a plan needs.

    Args:
        plan: The pages. Those at boot are allocated by kernel arguments, and only need mounts.
        mounts_text: The content of /proc/mounts; None, as if nothing was mounted, if it could not be read.
        own_mounts: Page sizes in kB for which our mount unit exists: it is kept while pages of that size are requested.
    """
    files = []
    if plan.runtime:
        subject = "allocates huge pages at boot."
        files.append(File(TMPFILES_FILE, head(subject) + "".join(_lines(plan.runtime)), 0o644))
    sizes = sizes_to_mount(plan, mounts_text, own_mounts)
    files.extend(File(mount_unit_path(size), _mount_unit(size), 0o644) for size in sizes)
    if sizes:
        wants = "".join(f"Wants={_unit_name(size)}\n" for size in sizes)
        subject = "mounts hugetlbfs for page sizes that have no other mount."
        files.append(File(WANTS_FILE, f"{head(subject)}[Unit]\n{wants}", 0o644))
    return tuple(files)


def _lines(pages: Iterable[RuntimePages]) -> Iterator[str]:
    # The largest first, as they need the largest contiguous memory.
    for item in sorted(pages, key=lambda item: (-item.size_kb, -1 if item.node is None else item.node)):
        yield f"w! {count_path(item)} - - - - {item.pages}\n"


def counts_in(text: str) -> list[tuple[str, str]]:
    """Return each sysfs attribute and its count in the text of TMPFILES_FILE."""
    return _LINE.findall(text)


def count_path(pages: RuntimePages) -> str:
    """Return the sysfs attribute with the number of pages of a node or of the machine (sysfs-devices-node)."""
    folder = "/sys/kernel/mm" if pages.node is None else f"/sys/devices/system/node/node{pages.node}"
    return f"{folder}/hugepages/hugepages-{pages.size_kb}kB/nr_hugepages"


def sizes_to_mount(plan: HugePagesPlan, mounts_text: str | None, own_mounts: Collection[int] = ()) -> tuple[int, ...]:
    """Return the page sizes, in kB, that need a mount unit of our own: requested, and without a foreign mount."""
    requested = {pages.size_kb for pages in (*plan.at_boot, *plan.runtime)}
    mounted = set(mounted_sizes(mounts_text or ""))
    return tuple(sorted(size for size in requested if size in own_mounts or size not in mounted))


def mounted_sizes(mounts_text: str) -> Iterator[int]:
    """Yield the page size, in kB, of each hugetlbfs mount.

    The kernel always prints it, with the largest suffix of which it is a multiple: hugetlbfs_show_options() in
    fs/hugetlbfs/inode.c.
    """
    for line in mounts_text.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[2] != "hugetlbfs":
            continue
        for option in fields[3].split(","):
            match = _SIZE.fullmatch(option[len("pagesize=") :]) if option.startswith("pagesize=") else None
            if match:
                yield (int(match.group(1)) << (10 * " KMGT".index(match.group(2) or " "))) // 1024


def mount_point(size_kb: int) -> str:
    """Return the mount point for pages of a size."""
    return f"/dev/hugepages{page_size_text(size_kb)}"


def mount_unit_path(size_kb: int) -> str:
    """Return the path of the mount unit for a size, named after the mount point as systemd.mount(5) requires."""
    return f"{_UNITS}/{_unit_name(size_kb)}"


def start_tool(size_kb: int) -> tuple[str, ...]:
    """Return the command that mounts pages of a size now; it runs after RELOAD_TOOL."""
    return ("systemctl", "start", _unit_name(size_kb))


def stop_tool(size_kb: int) -> tuple[str, ...]:
    """Return the command that unmounts them before the unit file is removed; it fails while a guest uses them."""
    return ("systemctl", "stop", _unit_name(size_kb))


def _unit_name(size_kb: int) -> str:
    return f"{mount_point(size_kb)[1:].replace('/', '-')}.mount"


def _mount_unit(size_kb: int) -> str:
    size = page_size_text(size_kb)
    return (
        f"{head(f'mounts hugetlbfs with pages of {size}.')}"
        "[Unit]\n"
        f"Description=Huge Pages File System ({size})\n"
        "Documentation=https://docs.kernel.org/admin-guide/mm/hugetlbpage.html\n"
        "DefaultDependencies=no\n"
        "Before=sysinit.target\n"
        f"ConditionPathExists=/sys/kernel/mm/hugepages/hugepages-{size_kb}kB\n"
        "\n"
        "[Mount]\n"
        "What=hugetlbfs\n"
        f"Where={mount_point(size_kb)}\n"
        "Type=hugetlbfs\n"
        f"Options=pagesize={size}\n"
    )


def shortfall(plan: HugePagesPlan, machine: Machine) -> tuple[str, ...]:
    """Return a note for each request of which pages are missing: the kernel allocates fewer without an error.

    Args:
        plan: The pages.
        machine: The machine as it is now.
    """
    return (
        *_missing(machine, plan.at_boot, "If they are missing after a reboot too, memory is too small: request fewer"),
        *_missing(machine, plan.runtime, "Memory is too fragmented: reboot, or request them with at: boot"),
    )


def _missing(machine: Machine, requested: Iterable[RuntimePages], remedy: str) -> Iterator[str]:
    for pages in requested:
        count = allocated_pages(machine, pages)
        size = page_size_text(pages.size_kb)
        where = "" if pages.node is None else f" on node {pages.node}"
        text = f"{pages.pages} huge pages of {size} are requested{where}"
        if count is None:
            yield f"{text}; how many are allocated is unknown"
        elif count < pages.pages:
            amount = size_text((pages.pages - count) * pages.size_kb * 1024)
            yield f"{text}, but only {count} are allocated: {amount} are missing. {remedy}"


def allocated_pages(machine: Machine, pages: RuntimePages) -> int | None:
    """Return the number of pages that the kernel has of that size and node; None if unknown.

    Surplus pages are not counted: the kernel frees them as soon as no process uses them.
    """
    nodes = machine.memory.nodes
    of_node = (
        list(nodes.values()) if pages.node is None else [nodes[name] for name in [str(pages.node)] if name in nodes]
    )
    pools = [node.hugepages[name] for node in of_node for name in [str(pages.size_kb)] if name in node.hugepages]
    kept = [pool.total - (pool.surplus or 0) for pool in pools if pool.total is not None]
    return sum(kept) if kept and len(kept) == len(pools) else None
