# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure host_info: alone on trees of increasing size, and through Ansible, compared with `setup`.

`make bench` runs this with the collection in PYTHONPATH.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from ansible_collections.vfio.workstation.plugins.module_utils._machine import to_json
from ansible_collections.vfio.workstation.plugins.module_utils._probe import probe
from tests.machines import generate

CAPTURED = Path(__file__).resolve().parent.parent.parent / "shared" / "machines"
SIZES = (50, 500, 5000)
REPEATS = 7
ADHOC = ("vfio.workstation.host_info", "ansible.builtin.setup")


def opened(work: Callable[[], object]) -> int:
    """Return the number of files opened, including missing ones. An audit hook would slow later measurements."""
    count = 0
    real = os.open

    def counting(path: str, flags: int, **options: int) -> int:
        nonlocal count
        count += not flags & os.O_DIRECTORY
        return real(path, flags, **options)

    with mock.patch.object(os, "open", counting):
        work()
    return count


def best(work: Callable[[], object]) -> float:
    """Return the minimum of several times in milliseconds: other processes account for the rest."""
    times = []
    for _repeat in range(REPEATS):
        gc.collect()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def measure_tree(name: str, root: Path) -> None:
    reading = probe(str(root))
    functions = len(reading.host.pci)
    reads = opened(lambda: probe(str(root)))
    took = best(lambda: probe(str(root)))
    printed = best(lambda: to_json(reading))
    each = f"{reads / functions:6.1f}" if functions else "     -"
    print(f"  {name:<28} {functions:>6} {took:>10.1f} {printed:>10.1f} {reads:>8} {each}", flush=True)


def measure_trees(folder: Path) -> None:
    print("host_info without Ansible: milliseconds, best of", REPEATS)
    print(f"  {'tree':<28} {'funcs':>6} {'probe':>10} {'to JSON':>10} {'opened':>8} {'per function':>6}")
    archives = sorted(CAPTURED.glob("*.tar.xz"), key=lambda path: path.stat().st_size)
    if archives:
        captured = folder / "captured"
        with tarfile.open(archives[-1]) as archive:
            archive.extractall(captured, filter="tar")
        measure_tree(archives[-1].name.removesuffix(".tar.xz"), captured)
    else:
        print(f"  no captured machines in {CAPTURED}")
    for size in SIZES:
        measure_tree(f"generated, {size} functions", Path(generate(size, folder / str(size))))
    measure_tree("this machine", Path("/"))


def measure_ansible() -> None:
    print(f"\nthrough Ansible, on this machine: wall time in seconds, median of {REPEATS}")
    times: dict[str, list[float]] = {module: [] for module in ADHOC}
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    for repeat in range(REPEATS):
        for module in ADHOC:  # alternating, so that both run under the same load
            command = [
                sys.executable,
                "-m",
                "ansible",
                "adhoc",
                "-i",
                "localhost,",
                "localhost",
                "-c",
                "local",
                "-m",
                module,
            ]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            times[module].append(time.perf_counter() - start)
        print(f"\r  {repeat + 1} of {REPEATS}", end="", flush=True)
    print("\r", end="")
    for module, taken in times.items():
        print(f"  {module:<28} {statistics.median(taken):6.2f}   ({min(taken):.2f} to {max(taken):.2f})")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="vfio-workstation-bench-") as folder:
        measure_trees(Path(folder))
    measure_ansible()


if __name__ == "__main__":
    main()
