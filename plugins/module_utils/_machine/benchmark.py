# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Benchmarks: the kinds of work that are measured, and what a measurement returns."""

from __future__ import annotations

from typing import Mapping, NamedTuple

#: Which values of a kind are better.
HIGHER, LOWER = "higher", "lower"


class Work(NamedTuple):
    """What a run of a benchmark is given.

    Attributes:
        cpus: The CPUs to run on; the first alone for kinds on one CPU.
        seconds: How long it runs, as far as it can be chosen.
        disk: Directory in which disks are measured.
        server: Address of a server of iperf3.
        source: Directory of a source tree with a Makefile.
    """

    cpus: tuple[int, ...]
    seconds: int
    disk: str = ""
    server: str = ""
    source: str = ""


class Sample(NamedTuple):
    """One run: the value that its kind measures, and the seconds that it took."""

    value: float
    seconds: float


class Counters(NamedTuple):
    """What the kernel has counted since boot.

    Attributes:
        at: Seconds since the epoch.
        kvm: Counters of KVM, for all guests together; empty without its directory in debugfs.
        cpu: Ticks of the measured CPUs, by what they were spent on, as in /proc/stat; `user` includes `guest`.
        throttled: How often cores were throttled for their temperature. None if the host does not say.
    """

    at: float
    kvm: Mapping[str, int]
    cpu: Mapping[str, int]
    throttled: int | None


class GuestProcess(NamedTuple):
    """The QEMU process of a guest.

    Attributes:
        vcpus: The CPUs on which each thread of a vCPU may run, as the kernel prints them: `2` or `0-7`.
        page_bytes: Bytes of memory by the size of their pages in kB.
        node_bytes: Bytes of memory by the NUMA node that has them.
        uses_kvm: Whether it has KVM; without, all its instructions are emulated.
    """

    vcpus: tuple[str, ...]
    page_bytes: Mapping[str, int]
    node_bytes: Mapping[str, int]
    uses_kvm: bool
