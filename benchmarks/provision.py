# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the playbook provision on the controller: tasks, module round trips and time, by the number of hosts.

The hosts are directories on the controller, and a stand-in replaces the module host (tests/stand_ins/host), so only
Ansible and the playbook are measured. For the module, see boot_configuration.py. `make bench` runs this.
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
    """Run the playbook once, and print its cost."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done: Run = fleet.run("vfio.workstation.provision")
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.status != 0:
        raise SystemExit(f"{title}: exit status {done.status}\n{done.output}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Tasks with run_once are counted for the first host. The last host has only those that every host has.
    tasks = done.recap[names[-1]]["ok"]
    trips = len(fleet.calls(names[-1]))
    count = len(names)
    print(
        f"{count:3} hosts, {title:10} {tasks} tasks on the last, {trips} module round trips | wall {wall:6.2f} s, "
        f"{wall / count:.2f} s per host | processor {processor:6.2f} s, {processor / count:.2f} s per host",
        flush=True,
    )


def main() -> int:
    """Print the results."""
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
                fleet.change(name, running=True)  # a manual reboot
            measured(fleet, names, "second run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
