# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that allocate huge pages in the running system at each boot, mounts for every size, and what is missing.

systemd-tmpfiles-setup.service writes the counts: before sysinit.target, and so before any service, while memory is
still in large pieces. (Its siblings systemd-tmpfiles-setup-dev.service and -dev-early.service do /dev alone.) The
kernel allocates as many pages as there is memory for, and kills nothing for them (hugetlbpage.rst, nr_hugepages).

QEMU's memory-backend-memfd needs no mount, memory-backend-file and libvirt do: libvirt looks for one of the right size
in /proc/mounts when its daemon starts, unless hugetlbfs_mount in qemu.conf names them. systemd's dev-hugepages.mount
is for the default size alone. For others there is a mount unit of ours, by the name that qemu.conf has in its example,
and what starts it is a drop-in of sysinit.target: that is a plain file, where `systemctl enable` would make links.
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
#: Has systemd start the mounts of ours.
WANTS_FILE = "/etc/systemd/system/sysinit.target.d/vfio-workstation-hugepages.conf"
#: Allocates what TMPFILES_FILE says at once. `--boot` is for lines with `!`, which other runs of the tool leave out: a
#: package's installation must not change counts while guests run.
TMPFILES_TOOL = ("systemd-tmpfiles", "--create", "--boot", TMPFILES_FILE)
#: Has systemd read units that were written or removed.
RELOAD_TOOL = ("systemctl", "daemon-reload")

#: Every size that a kernel has on any architecture: arm64 with pages of 4, 16 and 64 kB, x86, POWER, RISC-V.
HUGE_PAGE_SIZES_KB = (64, 1024, 2048, 16384, 32768, 524288, 1048576, 2097152, 16777216)

_UNITS = "/etc/systemd/system"
_LINE = re.compile(r"^w!? (/sys/\S+/nr_hugepages) - - - - ([0-9]{1,9})$", re.MULTILINE | re.ASCII)
_SIZE = re.compile(r"([0-9]{1,12})([KMGT]?)", re.ASCII)


def hugepages_files(
    plan: HugePagesPlan, mounts_text: str | None = None, ours: Collection[int] = ()
) -> tuple[File, ...]:
    """Return the files that shall be there.

    Args:
        plan: The pages. Those at boot are allocated by kernel arguments, and get mounts alone.
        mounts_text: The content of /proc/mounts; None, as without any mount, where it can't be read.
        ours: Sizes in kB whose mount unit of ours is there, of `mount_unit_path`: those stay while the size is wanted.
    """
    files = []
    if plan.runtime:
        subject = "huge pages that are allocated in the running system."
        files.append(File(TMPFILES_FILE, head(subject) + "".join(_lines(plan.runtime)), 0o644))
    sizes = sizes_to_mount(plan, mounts_text, ours)
    files.extend(File(mount_unit_path(size), _mount_unit(size), 0o644) for size in sizes)
    if sizes:
        wants = "".join(f"Wants={_unit_name(size)}\n" for size in sizes)
        subject = "mounts for huge pages that have none."
        files.append(File(WANTS_FILE, f"{head(subject)}[Unit]\n{wants}", 0o644))
    return tuple(files)


def _lines(pages: Iterable[RuntimePages]) -> Iterator[str]:
    # The largest first, while memory is in large pieces.
    for one in sorted(pages, key=lambda one: (-one.size_kb, -1 if one.node is None else one.node)):
        yield f"w! {count_path(one)} - - - - {one.pages}\n"


def counts_in(text: str) -> list[tuple[str, str]]:
    """Return each attribute with its count, of a text of TMPFILES_FILE."""
    return _LINE.findall(text)


def count_path(pages: RuntimePages) -> str:
    """Return the attribute that says how many pages there shall be, of a node or of all (sysfs-devices-node)."""
    folder = "/sys/kernel/mm" if pages.node is None else f"/sys/devices/system/node/node{pages.node}"
    return f"{folder}/hugepages/hugepages-{pages.size_kb}kB/nr_hugepages"


def sizes_to_mount(plan: HugePagesPlan, mounts_text: str | None, ours: Collection[int] = ()) -> tuple[int, ...]:
    """Return the sizes, in kB, that get a mount unit of ours: wanted, and mounted by nobody else."""
    wanted = {one.size_kb for one in (*plan.at_boot, *plan.runtime)}
    mounted = set(mounted_sizes(mounts_text or ""))
    return tuple(sorted(size for size in wanted if size in ours or size not in mounted))


def mounted_sizes(mounts_text: str) -> Iterator[int]:
    """Yield the page size, in kB, of each mount of huge pages.

    The kernel always prints it, in the largest unit that it is a multiple of: hugetlbfs_show_options() in
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
    """Return where pages of a size are mounted."""
    return f"/dev/hugepages{page_size_text(size_kb)}"


def mount_unit_path(size_kb: int) -> str:
    """Return where the unit for a size's mount is; systemd wants it named after the mount point (systemd.mount(5))."""
    return f"{_UNITS}/{_unit_name(size_kb)}"


def start_tool(size_kb: int) -> tuple[str, ...]:
    """Return what mounts pages of a size at once, after RELOAD_TOOL."""
    return ("systemctl", "start", _unit_name(size_kb))


def stop_tool(size_kb: int) -> tuple[str, ...]:
    """Return what unmounts them, before the unit's file is removed; it fails while a guest uses them."""
    return ("systemctl", "stop", _unit_name(size_kb))


def _unit_name(size_kb: int) -> str:
    return f"{mount_point(size_kb)[1:].replace('/', '-')}.mount"


def _mount_unit(size_kb: int) -> str:
    size = page_size_text(size_kb)
    return (
        f"{head(f'a mount for huge pages of {size}.')}"
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
    """Return where the running kernel has fewer pages than wanted: it allocates what it can, and says nothing.

    Args:
        plan: The pages.
        machine: The machine as it is now.
    """
    return (
        *_missing(machine, plan.at_boot, "If it stays so after a reboot, the node is short of memory: ask for fewer"),
        *_missing(machine, plan.runtime, "Memory is in too small pieces by now: reboot, or ask for them with at: boot"),
    )


def _missing(machine: Machine, pages: Iterable[RuntimePages], remedy: str) -> Iterator[str]:
    for one in pages:
        there = pages_there(machine, one)
        size = page_size_text(one.size_kb)
        where = "" if one.node is None else f" on node {one.node}"
        if there is None:
            yield f"{one.pages} huge pages of {size} are wanted{where}; how many there are can't be told"
        elif there < one.pages:
            amount = size_text((one.pages - there) * one.size_kb * 1024)
            yield f"{one.pages} huge pages of {size} are wanted{where}, and {there} are there: {amount} short. {remedy}"


def pages_there(machine: Machine, pages: RuntimePages) -> int | None:
    """Return how many pages of that size and node the kernel keeps; None where that can't be told.

    Surplus ones are not among them: they go as soon as nobody uses them.
    """
    nodes = machine.memory.nodes
    wanted = (
        list(nodes.values()) if pages.node is None else [nodes[name] for name in [str(pages.node)] if name in nodes]
    )
    pools = [node.hugepages[name] for node in wanted for name in [str(pages.size_kb)] if name in node.hugepages]
    kept = [pool.total - (pool.surplus or 0) for pool in pools if pool.total is not None]
    return sum(kept) if kept and len(kept) == len(pools) else None
