# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a command for its output, and saying what is being done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "containers"


class ContainerError(Exception):
    """What could not be done, in words for a person."""


def say(text: str) -> None:
    """Show progress, on standard error: standard output is for answers."""
    print(f"--> {text}", file=sys.stderr, flush=True)


def output(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed; its own words are in the error when it fails."""
    try:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ContainerError(f"{argv[0]} is not installed (scripts/setup-debian container installs it)") from error
    if done.returncode != 0:
        raise ContainerError(
            f"{' '.join(argv)}: exit status {done.returncode}\n{done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout
