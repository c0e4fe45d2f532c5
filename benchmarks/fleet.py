# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the playbook provision with the real modules, by the number of hosts, and compared with a ping.

The hosts are overlays of this computer and a described machine (connection/overlay.py). A first run configures the
first host; the others get copies of its files. What the commands on the hosts cost is counted apart from what Ansible
costs on the controller. `make bench` runs this for few hosts, `make bench-fleet` for many. Requires root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.machines import build

ROOT = Path(__file__).resolve().parent.parent
MACHINE = "amd-desktop"
REQUEST: dict[str, Any] = {"workstation_iommu": {}, "workstation_cpu_isolation": {"keep_for_host": 2}}
PROVISION = ("ansible-playbook", "vfio.workstation.provision")
PING = ("ansible", "all", "--module-name", "ansible.builtin.ping")
REPEATS = 5
#: Runs that send a module to each host are left out for more hosts: they take longest, and their cost is flat.
MOST_SENT = 50


class Cost(NamedTuple):
    """What a run cost."""

    wall: float  # seconds
    controller: float  # seconds of processor time, of Ansible
    hosts: float  # seconds of processor time, of the commands on all hosts
    memory: int  # bytes of the largest process


class Fleet:
    """Hosts in folders.

    Args:
        folder: Where they are, on a file system that is not the one of `/`: overlays can't be below themselves.
        collections: Where the collection is.
    """

    def __init__(self, folder: Path, collections: Path) -> None:
        self._folder = folder
        self._collections = collections
        build(MACHINE, folder / "tree")
        # Where /lib is a link to /usr/lib, a directory of that name would hide the link.
        shutil.copytree(folder / "tree/lib", folder / "tree/usr/lib", dirs_exist_ok=True)
        shutil.rmtree(folder / "tree/lib")

    def add(self, count: int) -> None:
        """Add hosts until there are so many, with the files of the first."""
        first = self._folder / "ws0000/upper"
        for number in range(count):
            host = self._folder / f"ws{number:04}"
            if not host.exists():
                (host / "work").mkdir(parents=True)
                (host / "root").mkdir()
                if first.exists():
                    subprocess.run(["cp", "--archive", first, host / "upper"], check=True)
                else:
                    first.mkdir()

    def forget(self, count: int) -> None:
        """Remove the command from hosts, so that they are sent the module; a run would install it again."""
        for number in range(count):
            (self._folder / f"ws{number:04}/upper/usr/local/bin/vfio-workstation").unlink(missing_ok=True)

    def run(self, count: int, *command: str, **variables: Any) -> Cost:
        """Run a command of Ansible on the first hosts, and return what it cost."""
        names = [f"ws{number:04}" for number in range(count)]
        inventory = self._folder / "inventory.json"
        everywhere = {
            "ansible_become": False,
            "ansible_connection": "overlay",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": str(self._folder / "tmp"),
            **REQUEST,
            **variables,
        }
        hosts = {name: {"overlay_folder": str(self._folder / name)} for name in names}
        inventory.write_text(json.dumps({"all": {"vars": everywhere, "hosts": hosts}}), encoding="utf-8")
        for name in names:
            (self._folder / name / "processor").unlink(missing_ok=True)
        return self._measured(names, [str(Path(sys.executable).parent / command[0]), *command[1:], "-i", inventory])

    def _measured(self, names: list[str], argv: list[str | Path]) -> Cost:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).resolve().parent / "connection"),
            "ANSIBLE_FORKS": os.environ.get("FORKS", "10"),
            "ANSIBLE_HOME": str(self._folder / "home"),
            "LC_ALL": "C.UTF-8",
        }
        begin = time.perf_counter()
        with (self._folder / "output").open("w", encoding="utf-8") as output:
            process = subprocess.Popen(argv, env={**clean, **settings}, stdout=output, stderr=subprocess.STDOUT)
            _pid, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit((self._folder / "output").read_text(encoding="utf-8"))
        on_hosts = sum(
            float(line) for name in names for line in (self._folder / name / "processor").read_text("ascii").split()
        )
        return Cost(wall, used.ru_utime + used.ru_stime - on_hosts, on_hosts, used.ru_maxrss * 1024)


def show(title: str, count: int, cost: Cost) -> None:
    """Print a row of the table."""
    print(
        f"| {count} | {title} | {cost.wall:.1f} | {cost.wall / count:.2f} | {cost.controller / count:.2f} "
        f"| {cost.hosts / count:.2f} | {cost.memory / 2**20:.0f} |",
        flush=True,
    )


def compare(fleet: Fleet, title: str, **variables: Any) -> None:
    """Print how long a run on one host takes, compared with a ping."""
    times: dict[tuple[str, ...], list[float]] = {PING: [], PROVISION: []}
    for _repeat in range(REPEATS):
        for command, walls in times.items():
            walls.append(fleet.run(1, *command, **variables).wall)
    ping, provision = (statistics.median(walls) for walls in times.values())
    print(f"{title}: {provision:.2f} s, ping {ping:.2f} s, ratio {provision / ping:.2f}", flush=True)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", nargs="*", type=int, default=[1, 10], help="numbers of hosts")
    counts = parser.parse_args().hosts
    if os.geteuid() != 0:
        print("benchmarks/fleet.py: requires root, for mount namespaces; left out", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="vfio-fleet-", dir="/dev/shm") as scratch:
        fleet = Fleet(Path(scratch), ROOT / ".cache/collections")
        fleet.add(1)
        print("| hosts | run | wall, s | per host, s | controller per host, s | host, s | memory, MiB |")
        print("|---|---|---|---|---|---|---|")
        show("first", 1, fleet.run(1, *PROVISION))
        fleet.add(max(counts))
        for count in counts:
            if count <= MOST_SENT:
                show("ping", count, fleet.run(count, *PING))
            show("nothing to do", count, fleet.run(count, *PROVISION))
        compare(fleet, "nothing to do, with the command on the host")
        fleet.run(1, *PROVISION, workstation_local_command=False)
        compare(fleet, "nothing to do, without it: the module is sent", workstation_local_command=False)
        sent = max((count for count in counts if 1 < count <= MOST_SENT), default=1)
        if sent > 1:
            fleet.forget(sent)
            show("check mode, the module is sent", sent, fleet.run(sent, *PROVISION, "--check"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
