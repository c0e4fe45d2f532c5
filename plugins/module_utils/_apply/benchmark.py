# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run benchmarks where guests run: in their slice, on their CPUs and NUMA node, in a root of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Callable, Iterator, NamedTuple, Sequence

from .commands import ToolFailed, run
from .virsh import Virsh

#: Seconds that a run may take beyond those that it was given; tools without a clock may take far longer.
_MORE_SECONDS = 600.0
#: Contains guests. The unit of dynamic CPU isolation leaves it all CPUs, unlike the slices of the host.
_SLICE = "machine.slice"
_SYSTEMD = "/run/systemd/system"
_RUNNING = "running"


class Place(NamedTuple):
    """Where a benchmark runs.

    Attributes:
        cpus: The CPUs, in the notation of the kernel.
        node: The NUMA node of its memory; None for any.
        root: The directory that is its root.
    """

    cpus: str
    node: int | None = None
    root: str = "/"


def command(argv: Sequence[str], place: Place, systemd: bool) -> list[str]:
    """Return the command that runs a benchmark in a place.

    Without systemd there is no slice: the CPUs are set, but neither node nor root can be.
    """
    if not systemd:
        return ["taskset", "--cpu-list", place.cpus, *argv]
    properties = [f"CPUAffinity={place.cpus}", f"AllowedCPUs={place.cpus}", "LimitRTPRIO=infinity"]
    if place.node is not None:
        properties += ["NUMAPolicy=bind", f"NUMAMask={place.node}"]
    if place.root != "/":
        properties += [f"RootDirectory={place.root}", "MountAPIVFS=yes"]
    options = [f"--property={text}" for text in properties]
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--slice={_SLICE}", *options, "--", *argv]


def has_systemd() -> bool:
    """Return whether systemd manages this host (sd_booted(3))."""
    return os.path.isdir(_SYSTEMD)


def run_benchmark(argv: Sequence[str], place: Place, seconds: float) -> tuple[str, float]:
    """Run a benchmark, and return its output and the seconds that it took.

    Args:
        argv: The tool and its arguments.
        place: Where it runs.
        seconds: The seconds that it is to run.

    Raises:
        ToolFailed: As `commands.run`.
    """
    line = command(argv, place, has_systemd())
    started = time.monotonic()
    output = run(line, seconds + _MORE_SECONDS)
    return output, time.monotonic() - started


def version(argv: Sequence[str], place: Place) -> str | None:
    """Return the first line that a tool prints of its version; None if it can't be run."""
    try:
        output = run(command(argv, place, has_systemd()), _MORE_SECONDS)
    except ToolFailed:
        return None
    return next((line.strip() for line in output.splitlines() if line.strip()), None)


@contextlib.contextmanager
def suspended(virsh: Virsh, name: str) -> Iterator[None]:
    """Suspend a guest, and let it continue afterwards. A guest that is off stays off.

    Args:
        virsh: The connection of libvirt.
        name: The guest; "" for none.

    Raises:
        ToolFailed: libvirt can't be asked, or the guest can't be suspended.
    """
    if not name or virsh.state(name).strip() != _RUNNING:
        yield
        return
    virsh.suspend(name)
    try:
        yield
    finally:
        virsh.resume(name)


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """Make signals that end this process raise SystemExit, so that what was begun is undone."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signals = (signal.SIGTERM, signal.SIGHUP)
    before: list[Callable[..., object] | int | None] = [signal.signal(number, end) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before):
            signal.signal(number, handler)
