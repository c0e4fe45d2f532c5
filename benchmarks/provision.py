# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbook provision costs on the controller: tasks, module round trips, seconds, by the number of machines.

The machines are folders on the controller, and the module host has a stand-in (tests/stand_ins/host), so that what is
measured is Ansible and the playbook. What the module itself takes is in boot_configuration.py. `make bench` runs it.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.integration.playbooks.conftest import Fleet, Run, with_stand_in

FLEETS = (1, 10, 50)


def measured(fleet: Fleet, names: list[str], title: str) -> None:
    """Run the playbook once, and print what it took."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done: Run = fleet.run("vfio.workstation.provision")
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.status != 0:
        raise SystemExit(f"{title}: exit status {done.status}\n{done.output}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Tasks that run once are counted for the first machine, so that the last one shows what each has.
    tasks = done.recap[names[-1]]["ok"]
    trips = len(fleet.calls(names[-1]))
    count = len(names)
    print(
        f"{count:3} machines, {title:10} {tasks} tasks on the last, {trips} module round trips | wall {wall:6.2f} s, "
        f"{wall / count:.2f} s a machine | processor {processor:6.2f} s, {processor / count:.2f} s a machine",
        flush=True,
    )


def main() -> int:
    """Print the figures."""
    for count in FLEETS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "fleet").mkdir()
            fleet = Fleet(folder / "fleet", with_stand_in(folder / "collections"))
            names = [f"ws{number:02}" for number in range(count)]
            for name in names:
                fleet.add(name)
            measured(fleet, names, "first run")
            for name in names:
                fleet.change(name, running=True)  # the reboot that a person does
            measured(fleet, names, "second run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
