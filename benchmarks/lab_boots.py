# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot the default virtual workstation many times in a row, and time what every later test waits for.

    python benchmarks/lab_boots.py [--boots 20] [--machine desktop]

Each boot is a new machine from the image. One that fails ends the run with its serial log's last lines: a fault is
something to look at, not to repeat until it passes. The times say what this computer does just now.
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
    """How many seconds it took."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def up(machine: Machine) -> None:
    """From the power button to a login."""
    machine.start()
    machine.wait_for_ssh()


def passed_through(machine: Machine) -> None:
    """An inner guest with the second NIC and the second disk, from binding to its end."""
    addresses = [machine.address("second_nic"), machine.address("data_disk")]
    inner.bind_by_hand(machine, addresses)
    inner.run(machine, addresses)


def once(lab: Lab, machine_name: str) -> dict[str, float]:
    """One machine's life."""
    with lab.machine(machine_name) as machine:
        times = {"boot to ssh": timed(lambda: up(machine))}
        faults = machine.serial.faults()
        if faults:
            raise LabError(f"the kernel is not sound: {faults}\n{machine.serial_tail()}")
        return times


def details(lab: Lab, machine_name: str) -> dict[str, float]:
    """What else a test waits for, on one machine."""
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
    """Print each boot's time as it comes, then the summary."""
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
        print(f"failed after {len(boots)} good boots: {error}")
        return 1
    if boots:
        middle = statistics.median(boots)
        print(
            f"boot to ssh, {len(boots)} boots: median {middle:.1f} s, least {min(boots):.1f} s, most {max(boots):.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
