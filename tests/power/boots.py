# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot a machine from the disk that a power cut left, and let the change be made again: it must come to its end."""

from __future__ import annotations

import contextlib
import pathlib
import random
import time
import typing

from tests.integration.lab.boot_configuration import call
from tests.lab import Lab, LabError, Machine, disks, files

from .changes import Change
from .disk import Disk
from .record import Recording
from .survey import Coverage


class Boot(typing.NamedTuple):
    """What came of a boot."""

    position: int
    step: str
    seconds: float
    tools: tuple[str, ...]  # that the repeated change ran

    def __str__(self) -> str:
        tools = ", ".join(self.tools) or "nothing"
        return f"booted after request {self.position}, {self.step}, in {self.seconds:.0f} s; the next run ran {tools}"


class Repeater:
    """Actions on a machine that lost its power: each must be possible, and at last change nothing more."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.is_settled = False
        self.tools: list[str] = []

    def call(self, module: str, **parameters: typing.Any) -> None:
        """Run a module."""
        done = call(self._machine, module, **parameters)
        if done.failed or (self.is_settled and done.changed):
            raise LabError(f"{module} after the power cut: {done.values}")
        self.tools.extend(done.tools)

    def run(self, line: str) -> None:
        """Run a shell command."""
        self._machine.ssh(line)

    def restart(self) -> None:
        """Do nothing: that boot is in the recording."""

    def refused(self, code: str, module: str, **parameters: typing.Any) -> None:
        """Run a module that must refuse."""
        done = call(self._machine, module, **parameters)
        if code not in done.codes:
            raise LabError(f"{module} did not refuse with {code}: {done.values}")


def choose(coverage: Coverage, count: int, seed: int) -> list[int]:
    """Return positions to boot after: of each kind of state in turn, at random."""
    dice = random.Random(seed)
    kinds = [dice.sample(positions, len(positions)) for positions in coverage.kinds.values()]
    chosen: list[int] = []
    while len(chosen) < count and any(kinds):
        chosen.extend(positions.pop() for positions in kinds if positions)
    return sorted(chosen[:count])


def boot(
    lab: Lab, recording: Recording, changes: typing.Mapping[str, Change], coverage: Coverage, positions: list[int]
) -> typing.Iterator[Boot]:
    """Boot after each of these requests."""
    image = recording.folder / "boot.raw"
    image.unlink(missing_ok=True)
    files.copy_sparsely(recording.base, image)
    with contextlib.closing(Disk(image, recording.write_log)) as disk:
        for number, request in enumerate(recording.requests()):
            disk.apply(request)
            if number in positions:
                yield _boot(lab, recording, image, changes, coverage, number)
    image.unlink()


def _boot(
    lab: Lab,
    recording: Recording,
    image: pathlib.Path,
    changes: typing.Mapping[str, Change],
    coverage: Coverage,
    position: int,
) -> Boot:
    step, line = coverage.steps[position], coverage.command_lines[position]
    with lab.machine("power", recording.layout.image(lab)) as machine:
        root = machine.folder / "root_disk.qcow2"
        disks.qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.absolute(), root)
        begin = time.monotonic()
        machine.start()
        machine.wait_for_ssh()
        seconds = time.monotonic() - begin
        missing = set(line.split()) - set(machine.read("/proc/cmdline").split())
        if missing:
            raise LabError(f"the machine booted without {' '.join(missing)} after request {position}")
        # The modules are where the recorded run put them.
        repeater = Repeater(machine)
        change = changes[step.partition(" ")[2].partition(":")[0]]
        change(repeater)
        tools = tuple(repeater.tools)
        repeater.is_settled = True
        change(repeater)
        faults = machine.serial.faults()
        if faults:
            raise LabError(f"the kernel is not sound after request {position}: {faults}")
    return Boot(position, step, seconds, tools)
