# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the local command: making it, checking that it is current, and its start-up.

Processor time is printed beside wall time, as it depends less on what else the machine does. `make bench` runs this.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plugins.module_utils._local.archive import Archive

RUNS = 15
#: What is imported for a command, in a Python that has the archive only.
IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import vfio_workstation._local.{}"


def measured(title: str, action: Callable[[], object], runs: int = RUNS) -> None:
    """Print the wall time and the processor time of an action."""
    walls, processors = [], []
    for _run in range(runs):
        before, start = used(), time.perf_counter()
        action()
        walls.append((time.perf_counter() - start) * 1000)
        processors.append((used() - before) * 1000)
    print(
        f"{title:40} wall: median {statistics.median(walls):6.1f} ms, least {min(walls):6.1f} ms | "
        f"processor: median {statistics.median(processors):6.1f} ms, least {min(processors):6.1f} ms",
        flush=True,
    )


def used() -> float:
    """Return the processor time of this process and of those that it has waited for, in seconds."""
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times)


def run(*words: str | Path) -> None:
    """Run a program; its output and its exit status are of no interest."""
    subprocess.run([str(word) for word in words], stdout=subprocess.DEVNULL, check=False)


def main() -> int:
    """Print the results."""
    python = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/python3"
    content = Archive(python).content().encode("utf-8", "surrogateescape")
    print(f"{python}, {len(content)} bytes")
    measured("make the file (once for each version)", lambda: Archive(python).content(), 3)
    measured("check that the file is current", lambda: Archive(python).is_current(content))
    with tempfile.TemporaryDirectory() as scratch:
        # The interpreter that starts the command compiles for itself.
        path = Path(scratch, "vfio-workstation")
        code = "import sys; sys.path[:0] = sys.argv[1:2]; from {}._local.archive import Archive; {}".format(
            "ansible_collections.vfio.workstation.plugins.module_utils",
            "sys.stdout.buffer.write(Archive().content().encode('utf-8', 'surrogateescape'))",
        )
        collections = Path(__file__).resolve().parents[1] / ".cache/collections"
        path.write_bytes(subprocess.run([python, "-c", code, collections], stdout=subprocess.PIPE, check=True).stdout)
        path.chmod(0o755)
        measured("Python alone", lambda: run(python, "-IS", "-c", "pass"))
        measured("vfio-workstation --version", lambda: run(path, "--version"))
        for name in ("status", "report"):
            measured(f"start-up of {name}", lambda name=name: run(python, "-IS", "-c", IMPORT.format(name), path))
            measured(f"vfio-workstation {name}", lambda name=name: run(path, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
