# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut the power at random moments while arguments are applied and the initramfs is rebuilt; see whether it boots.

`make test-power CUTS=30 SEED=1` prints a line for each cut: when it came, what ran then, what booted, and what the next
run had to do. The same seed gives the same moments, as parts of the time that an undisturbed run takes. Each cut begins
where the one before it ended, with a machine on which the next run put everything right: so they fall in turns while
arguments are applied and while they are removed.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import random
import subprocess
import sys
import threading
import time
import typing
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests import payload
from tests.integration.lab.boot_configuration import call, carry
from tests.lab import Lab, LabError, Machine, small_initramfs

RULE = "etc/udev/rules.d/99-power-cut.rules"
CALLS: dict[str, tuple[tuple[str, dict[str, typing.Any]], ...]] = {
    "apply": (
        ("kernel_cmdline", {"owner": "iommu", "args": ["intel_iommu=on", "iommu=pt", "power_cut=1"]}),
        (
            "initramfs",
            {"owner": "devices", "modules": ["vfio-pci"], "files": [{"path": "/" + RULE, "content": "# cut\n"}]},
        ),
    ),
    "remove": (
        ("kernel_cmdline", {"owner": "iommu", "state": "absent"}),
        ("initramfs", {"owner": "devices", "state": "absent"}),
    ),
}
# What runs, every third of a second: the newest of the processes that do the work.
_WORKERS = "grub|mkinitramfs|update-init|dracut|cpio|zstd|gzip|lsinit|python3"
_WATCH = f"while sleep 0.3; do pgrep -n -l '{_WORKERS}' || echo -; done"


@dataclasses.dataclass(frozen=True)
class Cut:
    """One cut and what came of it."""

    number: int
    direction: str
    seconds: float
    running: str
    booted: str
    needed: str
    repaired: float

    def __str__(self) -> str:
        return (
            f"cut {self.number:3} while {self.direction:6} after {self.seconds:5.1f} s, in {self.running:16} -> "
            f"booted {self.booted}; the next run {self.needed} in {self.repaired:.1f} s"
        )


class Bench:
    """A machine, and how long an undisturbed run takes on it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.spans: dict[str, float] = {}

    def prepare(self) -> None:
        """Start it, and let a run go to its end in either direction."""
        machine = self.machine
        machine.start()
        machine.wait_for_ssh()
        carry(machine)
        small_initramfs.ask_for(machine)
        machine.ssh("update-initramfs -u -k all && sync")
        for direction in CALLS:
            self.spans[direction] = self._whole(direction)

    def _whole(self, direction: str) -> float:
        begin = time.monotonic()
        for module, parameters in CALLS[direction]:
            done = call(self.machine, module, **parameters)
            if done.failed or not done.changed:
                raise LabError(f"an undisturbed {direction} failed: {done.values}")
        return time.monotonic() - begin

    def cut(self, number: int, direction: str, part: float) -> Cut:
        """Begin a run, cut the power at that part of its time, boot, and run it again to its end."""
        machine = self.machine
        seconds = part * self.spans[direction]
        running = self._begin_and_cut(direction, seconds)
        machine.start()
        machine.wait_for_ssh()
        booted = "with ours" if "power_cut=1" in machine.read("/proc/cmdline").split() else "without ours"
        begin = time.monotonic()
        tools = [tool for module, parameters in CALLS[direction] for tool in self._again(module, parameters)]
        repaired = time.monotonic() - begin
        for module, parameters in CALLS[direction]:
            last = call(machine, module, **parameters)
            if last.failed or last.changed:
                raise LabError(f"{module} is not settled after the cut: {last.values}")
        faults = machine.serial.faults()
        if faults:
            raise LabError(f"the kernel is not sound after the cut: {faults}")
        return Cut(number, direction, seconds, running, booted, f"ran {', '.join(tools) or 'nothing'}", repaired)

    def _again(self, module: str, parameters: dict[str, typing.Any]) -> list[str]:
        done = call(self.machine, module, **parameters)
        if done.failed:
            raise LabError(f"{module} fails after the cut: {done.values}")
        return done.tools

    def _begin_and_cut(self, direction: str, seconds: float) -> str:
        """Return the name of the process that ran when the power went."""
        machine = self.machine
        seen = ["-"]
        config = ["ssh", "-F", str(machine.folder / "ssh_config"), "lab"]
        with subprocess.Popen([*config, _WATCH], stdout=subprocess.PIPE, text=True) as watch:
            reader = threading.Thread(target=_follow, args=(watch, seen), daemon=True)
            reader.start()
            work = threading.Thread(target=self._work, args=(direction,), daemon=True)
            time.sleep(1)
            work.start()
            time.sleep(seconds)
            machine.cut_power()
            watch.kill()
            reader.join(30)
            work.join(60)
        return seen[-1]

    def _work(self, direction: str) -> None:
        for module, parameters in CALLS[direction]:
            line = payload.argv(module)
            done = self.machine.ssh(line, check=False, stdin=payload.text(parameters), timeout=1800)
            if done.returncode != 0:
                return  # that was the cut


def _follow(process: subprocess.Popen[str], seen: list[str]) -> None:
    seen.extend(line.split()[-1] for line in process.stdout or ())


def cuts(bench: Bench, count: int, seed: int) -> typing.Iterator[Cut]:
    """Cut as often as asked."""
    dice = random.Random(seed)
    for number, direction in zip(range(1, count + 1), itertools.cycle(CALLS)):
        yield bench.cut(number, direction, dice.uniform(0.02, 1.0))


def main() -> int:
    """Print a line for each cut, and how many went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
    done = 0
    with Lab().machine("desktop") as machine:
        try:
            bench = Bench(machine)
            bench.prepare()
            spans = ", ".join(f"{direction} takes {span:.0f} s" for direction, span in bench.spans.items())
            print(f"undisturbed: {spans}", flush=True)
            for cut in cuts(bench, options.cuts, options.seed):
                done += 1
                print(cut, flush=True)
        except LabError as error:
            print(f"cut {done + 1}: {error}")
    print(f"power cuts: {done} passed, {int(done < options.cuts)} failed")
    return int(done < options.cuts)


if __name__ == "__main__":
    sys.exit(main())
