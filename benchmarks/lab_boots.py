# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot the default virtual workstation many times, and measure what the lab tests wait for.

    python benchmarks/lab_boots.py [--boots 20] [--machine desktop]

Each boot is a new machine from the image. A failure ends the run with the last lines of its serial log, because a fault
is to be investigated, not retried. The times depend on the load of this computer.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.lab import Lab, LabError, Machine, inner  # the checkout's own package, which the line above makes importable


def timed(work: typing.Callable[[], object]) -> float:
    """Return the duration of some work in seconds."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def up(machine: Machine) -> None:
    """Boot a machine up to a login by ssh."""
    machine.start()
    machine.wait_for_ssh()


def passed_through(machine: Machine) -> None:
    """Run a nested guest with the second NIC and the second disk, including their binding."""
    addresses = [machine.address("second_nic"), machine.address("data_disk")]
    inner.bind_by_hand(machine, addresses)
    inner.run(machine, addresses)


def once(lab: Lab, machine_name: str) -> dict[str, float]:
    """Return the time of one boot."""
    with lab.machine(machine_name) as machine:
        times = {"boot to ssh": timed(lambda: up(machine))}
        faults = machine.serial.faults()
        if faults:
            raise LabError(f"the kernel reported faults: {faults}\n{machine.serial_tail()}")
        return times


def details(lab: Lab, machine_name: str) -> dict[str, float]:
    """Return the times of other operations, on one machine."""
    with lab.machine(machine_name) as machine:
        up(machine)
        return {
            "inner guest": timed(lambda: passed_through(machine)),
            "grub-mkconfig": timed(lambda: machine.ssh("update-grub")),
            "update-initramfs": timed(lambda: machine.ssh("update-initramfs -u")),
            "python3 -c pass": timed(lambda: machine.ssh("python3 -c pass")),
            "reboot to ssh": timed(machine.reboot),
        }


def main() -> int:
    """Print the time of each boot, then a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boots", type=int, default=20)
    parser.add_argument("--machine", default="desktop")
    options = parser.parse_args()
    lab = Lab()
    boots: list[float] = []
    try:
        for number in range(1, options.boots + 1):
            boots.append(once(lab, options.machine)["boot to ssh"])
            print(f"boot {number} of {options.boots}: {boots[-1]:.1f} s", flush=True)
        for what, seconds in details(lab, options.machine).items():
            print(f"{what}: {seconds:.1f} s", flush=True)
    except LabError as error:
        print(f"failed after {len(boots)} successful boots: {error}")
        return 1
    if boots:
        print(
            f"boot to ssh, {len(boots)} boots: median {statistics.median(boots):.1f} s, "
            f"minimum {min(boots):.1f} s, maximum {max(boots):.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
