# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.power: cut the power at each write of a change, and print what was covered.

The disks are ext4 (GRUB, /boot on the root file system), ext4-boot (GRUB, a separate /boot), btrfs (GRUB), esp
(systemd-boot) and esp-full (systemd-boot, no space left). The same seed loses the same writes of the same log.
"""

from __future__ import annotations

import argparse
import logging
import pathlib
import sys
import tempfile
import time

from tests import conftest
from tests.lab import Lab, LabError

if str(conftest.COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(conftest.COLLECTIONS))

from . import boots
from .changes import CHANGES
from .layouts import LAYOUTS
from .record import record
from .survey import Survey

_DEFAULT = ("ext4", "ext4-boot", "btrfs")


def main() -> int:
    """Cover each layout that is asked for; return 1 if a power cut left one that does not start, or is in between."""
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument("disk", nargs="*", help=f"default: {', '.join(_DEFAULT)}")
    parser.add_argument("--samples", type=int, default=6, help="states with lost writes, for each flush (%(default)s)")
    parser.add_argument("--boots", type=int, default=3, help="states to boot (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thorough", action="store_true", help="replay the journal at each write, not at each flush")
    options = parser.parse_args()
    unknown = [name for name in options.disk if name not in LAYOUTS]
    if unknown:
        parser.error(f"unknown disk {', '.join(unknown)}; there are {', '.join(LAYOUTS)}")
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
    return max(_cover(name, options) for name in options.disk or _DEFAULT)


def _cover(name: str, options: argparse.Namespace) -> int:
    lab, layout, begin = Lab(), LAYOUTS[name], time.monotonic()
    changes = {change: CHANGES[change] for change in layout.changes}
    lab.runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.runs, prefix="power-") as folder:
        try:
            recording = record(lab, layout, changes, pathlib.Path(folder))
            print(f"{name}: recorded {', '.join(changes)} in {time.monotonic() - begin:.0f} s", flush=True)
            survey = Survey(recording, options.samples, options.seed, options.thorough)
            coverage = survey.run()
            print(f"{name}: {coverage}, in {time.monotonic() - begin:.0f} s", flush=True)
            for fault in coverage.faults[:20]:
                print(f"{name}: {fault}")
            positions = boots.choose(coverage, options.boots, options.seed)
            for done in boots.boot(lab, recording, changes, coverage, positions):
                print(f"{name}: {done}", flush=True)
        except LabError as error:
            print(f"{name}: {error}")
            return 1
    print(f"{name}: {len(positions)} booted, {len(coverage.faults)} unbootable or in between", flush=True)
    return int(bool(coverage.faults))


if __name__ == "__main__":
    sys.exit(main())
